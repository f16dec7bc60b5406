"""Authorization codes in place of an OAuth 2.0 server, which the landing page reads again."""

from typing import Any

from django.core import signing

from resend_confirmation.accounts import Account
from resend_confirmation.clients import Client

SALT = "demo.codes"
#: Seconds (RFC 6749 recommends ten minutes at most).
LIFETIME = 600


def issue_code(account: Account, client: Client, redirect_url: str, state: str) -> str:
    """Return a code for this account and client."""
    return signing.dumps([account.username, client.name], salt=SALT)


def account_of(code: str, client: Client) -> str:
    """Return the user name that a code was issued for, or an empty string if it is not valid."""
    try:
        found: Any = signing.loads(code, salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return ""
    username, issued_to = found
    return str(username) if issued_to == client.name else ""

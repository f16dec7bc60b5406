"""The data of the demonstration: its accounts, and one request for each dialect."""

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """The state in which seeding leaves an account."""

    WAITS = "waits for confirmation"
    CONFIRMED = "confirmed"
    BLOCKED = "deactivated by staff while pending"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One account."""

    address: str
    username: str
    standing: Standing = Standing.WAITS


ACCOUNTS = [
    DemoAccount("pending@example.com", "pending"),
    DemoAccount("Pending.Upper@Example.com", "pending_upper"),
    DemoAccount("confirmed@example.com", "confirmed", Standing.CONFIRMED),
    DemoAccount("blocked@example.com", "blocked", Standing.BLOCKED),
    DemoAccount("plus+tag@example.com", "plus"),
    DemoAccount("grüße@bücher.example", "umlaut"),
    DemoAccount("number@example.com", "7001"),
]


def bulk_account(number: int) -> DemoAccount:
    """Return one of the accounts added in bulk: pending000001 and so on."""
    name = f"pending{number:06}"
    return DemoAccount(f"{name}@example.com", name)


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """One vendor's request; ``body`` is JSON, or empty where the vendor sends none."""

    dialect: str
    path: str
    body: str = ""

    def curl(self, base: str) -> str:
        """Return the request as a shell command."""
        line = f"curl -i -X POST '{base}/{self.path}'"
        return f"{line} -H 'Content-Type: application/json' -d '{self.body}'" if self.body else line


#: Each is for a separate account, so that no request meets another one's cooldown.
REQUESTS = [
    DemoRequest(
        "xsolla-oauth2",
        "api/oauth2/user/resend_confirmation_link?client_id=57&state=state-of-the-game",
        '{"username": "pending@example.com"}',
    ),
    DemoRequest(
        "xsolla-jwt",
        "api/user/resend_confirmation_link?projectId=40db2ea4-5d42-11e6-a3ff-005056a0e04a",
        '{"username": "pending_upper"}',
    ),
    DemoRequest(
        "quiva",
        "accounts/resend-confirmation",
        '{"email": "pending000001@example.com"}',
    ),
    DemoRequest("backendless", "api/users/resendconfirmation/7001"),
    DemoRequest(
        "strapi",
        "auth/send-email-confirmation",
        '{"email": "plus+tag@example.com"}',
    ),
    DemoRequest(
        "strapi-v4",
        "api/auth/send-email-confirmation",
        '{"email": "pending000002@example.com"}',
    ),
]
#: The number of accounts in bulk that the requests above need.
BULK_NEEDED = 2

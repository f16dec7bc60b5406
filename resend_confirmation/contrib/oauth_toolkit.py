"""Authorization codes of django-oauth-toolkit, for the redirect after a confirmation.

https://django-oauth-toolkit.readthedocs.io/
"""

import logging
from datetime import timedelta
from typing import Any

from django.core import checks
from django.db import DatabaseError
from django.utils import timezone
from oauth2_provider.models import get_application_model, get_grant_model
from oauth2_provider.scopes import get_scopes_backend
from oauth2_provider.settings import oauth2_settings
from oauthlib.common import generate_token

from ..accounts import Account
from ..clients import Client
from ..dialects.base import mounted_dialects

logger = logging.getLogger("resend_confirmation")

#: The key in a client's ``ids`` for an Application id that differs from the dialect's.
ID = "oauth_toolkit"


class GrantIssuer:
    """Issuer of codes for AUTHORIZATION_CODE_ISSUER, like the server's authorization page.

    The dialect's request has no PKCE challenge (RFC 7636), so the grant has none either.
    """

    #: Keys in a client's ``ids`` that this issuer reads, in addition to those of dialects.
    id_names = (ID,)

    def __call__(self, account: Account, client: Client, redirect_url: str, state: str) -> str:
        """Return a single-use code for ``account`` with ``redirect_url`` and the default scopes.

        If the server would not accept the code, log an error and return an empty string.
        """
        id_ = application_id(client)
        application = get_application_model()._default_manager.filter(client_id=id_).first()
        why = _pkce(id_) or _missing(application) or _objection(application, redirect_url)
        if why:
            logger.error("No authorization code for the client %r: %s", client.name, why)
            return ""
        lifetime = timedelta(seconds=oauth2_settings.AUTHORIZATION_CODE_EXPIRE_SECONDS)
        scopes = get_scopes_backend().get_default_scopes(application=application)
        grant = get_grant_model()._default_manager.create(
            application=application,
            user=account.user,
            code=generate_token(),
            expires=timezone.now() + lifetime,
            redirect_uri=redirect_url,
            scope=" ".join(scopes),
        )
        code: str = grant.code
        return code

    def check(self, client: Client) -> list[checks.CheckMessage]:
        """Return an error if the server requires PKCE of ``client``; run no query."""
        id_ = application_id(client)
        if not id_ or not (why := _pkce(id_)):
            return []
        hint = "Give PKCE_REQUIRED a callable that returns False for this Application."
        text = f"No authorization code can be issued for the client {client.name!r}: {why}"
        return [checks.Error(text, hint=hint, id="resend_confirmation.E021")]

    def check_rows(self, client: Client) -> list[checks.CheckMessage]:
        """Return a warning for each fault of the Application of ``client``."""
        if not (id_ := application_id(client)):
            return []
        try:
            application = get_application_model()._default_manager.filter(client_id=id_).first()
        except DatabaseError:
            return []  # The tables do not exist before the first migration.
        text = f"No authorization code can be issued for the client {client.name!r}: "
        if why := _missing(application):
            return [checks.Warning(text + why, id="resend_confirmation.W021")]
        whys = dict.fromkeys(_objection(application, each.url) for each in client.redirects)
        return [checks.Warning(text + why, id="resend_confirmation.W022") for why in whys if why]


def application_id(client: Client) -> str:
    """Return the ``client_id`` of the Application of ``client``, or an empty string.

    It is the ``oauth_toolkit`` entry in ``ids``, else the id at a dialect with ``lands_with_code``.
    """
    known = mounted_dialects()
    named = (
        id_ for name, id_ in client.ids.items() if name in known and known[name].lands_with_code
    )
    return client.ids.get(ID) or next(named, "")


def _pkce(id_: str) -> str:
    # The server's rule, which does not use the request.
    validator = oauth2_settings.OAUTH2_VALIDATOR_CLASS()
    return "PKCE is required for its Application" if validator.is_pkce_required(id_, None) else ""


def _missing(application: Any) -> str:
    return "" if application else "no Application has this client_id"


def _objection(application: Any, redirect_url: str) -> str:
    if not application.allows_grant_type(application.GRANT_AUTHORIZATION_CODE):
        return "its Application uses another grant type"
    if not application.redirect_uri_allowed(redirect_url):
        return "its Application lacks one of its redirects"
    return ""


issue_code = GrantIssuer()

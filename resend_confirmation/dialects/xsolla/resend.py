"""Xsolla Login: the OAuth 2.0 call, and the common base of both calls."""

import re
from collections.abc import Mapping
from typing import Any

from django.core import checks
from django.http import HttpRequest
from django.utils.module_loading import import_string
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from ... import clients, conf
from ...clients import Client
from ...engine import Opened
from ...outcomes import Outcome, Refusal, Verdict
from ..base import (
    Answer,
    ErrorDetails,
    IdentityField,
    LanguageField,
    Operation,
    ResendView,
    StrictCharField,
    with_parameters,
)

#: U+FFFD, which Django puts in place of invalid UTF-8 in a query.
REPLACEMENT = "\ufffd"

#: Code and text for a confirmed account. They are our choice, because no source shows the vendor's.
#: No SDK gives 003-409 another meaning, whereas one reads 003-061 as wrong project settings. All
#: SDKs show the text of an error with status 422.
ALREADY = ("003-409", "User account is already confirmed.")

_NOT_FOUND = Answer(404, "003-002", "User not found.")
_TOO_MANY = Answer(429, "002-057", "Too many attempts. Try again later.")
_INVALID = Answer(400, "0", "Request has invalid parameters.")


class XsollaResendBody(serializers.Serializer[Any]):
    """The request."""

    username = IdentityField(
        source="identity",
        help_text="Username or user email address.",
        style={"example": "john-email@email.com"},
    )


class XsollaErrorDetail(serializers.Serializer[Any]):
    """What ``error`` holds."""

    code = serializers.CharField(help_text="Error code.", style={"example": "003-061"})
    description = serializers.CharField(
        help_text="Error description.", style={"example": "Object not found."}
    )
    details = serializers.DictField(required=False, help_text="Additional information.")


class XsollaError(serializers.Serializer[Any]):
    """The envelope of errors."""

    error = XsollaErrorDetail()


class XsollaResend(ResendView):
    """The common base of the two resend views."""

    body_class = XsollaResendBody
    error_class = XsollaError
    answers = {
        Outcome.SENT: Answer(204),
        Outcome.UNKNOWN: _NOT_FOUND,
        Outcome.CONFIRMED: Answer(422, *ALREADY),
        Outcome.BLOCKED: Answer(422, "002-040", "This user is banned."),
        Outcome.COOLING_DOWN: _TOO_MANY,
        Refusal.THROTTLED: _TOO_MANY,
        Refusal.INVALID: _INVALID,
        Refusal.MALFORMED: _INVALID,
        Refusal.UNKNOWN_CLIENT: Answer(400, "010-019", "Client authentication failed."),
        Refusal.NOT_ENABLED: Answer(422, "003-020", "Call unavailable for this Login project."),
        Refusal.REDIRECT_REQUIRED: Answer(
            422,
            "010-011",
            "Callback URL is not specified for a client with several callback URLs.",
        ),
        Refusal.REDIRECT_NOT_ALLOWED: Answer(
            422, "010-012", "Callback URL is not registered for this client."
        ),
        Refusal.WRONG_METHOD: Answer(405, "405", "Method not allowed."),
        Refusal.TOO_LARGE: Answer(413, "0", "Request body is too large."),
        Refusal.FAILED: Answer(500, "004-001", "Something went wrong."),
    }

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """Return the client with the id in the query."""
        return clients.by_id(self.dialect, str(values["client"]))

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """Return the error, with ``details`` only if there is something to add."""
        error: dict[str, Any] = {"code": answer.code, "description": answer.message}
        why = {detail.name or "body": [detail.reason]} if detail.reason else {}
        if details := detail.errors or why:
            error["details"] = details
        return {"error": error}

    @classmethod
    def landing(cls, opened: Opened, client: Client, url: str) -> str | None:
        """Return the registered URL with the granted parameters, or with an error code and text."""
        if opened.verdict is Verdict.CONFIRMED:
            return with_parameters(url, **cls.granted(opened, client, url))
        code, description = DEAD_LINKS[opened.verdict]
        return with_parameters(url, error_code=code, error_description=description)

    @classmethod
    def granted(cls, opened: Opened, client: Client, url: str) -> Mapping[str, str]:
        """Return the parameters that the redirect carries after a confirmation."""
        raise NotImplementedError

    @classmethod
    def check(cls, client: Client) -> list[checks.CheckMessage]:
        """Warn if users cannot return to the client after confirming."""
        if client.redirects or "confirmed" in client.pages:
            return []
        name = f"{cls.dialect}: {client.name!r}"
        text = f"{name} has no redirects, so users cannot return to it after confirming"
        hint = "Register its callback address in 'redirects', or set its page 'confirmed'."
        return [checks.Warning(text, hint=hint, id="resend_confirmation.W012")]


#: Error codes and texts for genuine links that confirm nothing. They are our choice.
DEAD_LINKS = {
    Verdict.ALREADY: ALREADY,
    Verdict.EXPIRED: ("010-017", "The link has expired."),
    Verdict.DEAD: ("010-018", "The link is not valid any more."),
}

DOCUMENTED: dict[int | str, str] = {
    204: "The message is on its way.",
    400: "Request has invalid parameters.",
    404: "Object not found.",
    409: "Not used: the answer for an account that is already confirmed has status 422.",
    422: "The call is not possible for this user or project.",
    429: "Too many attempts.",
}
#: For 409, in place of the example of the vendor's fields, which is another error's.
_UNUSED = OpenApiExample(
    "Unused",
    summary="not used: sent with status 422",
    value={"error": {"code": ALREADY[0], "description": ALREADY[1]}},
    response_only=True,
    status_codes=["409"],
)
EXAMPLE = OpenApiExample("Request", value={"username": "john-email@email.com"}, request_only=True)


class XsollaClientField(serializers.IntegerField):
    """``client_id``: a whole number in digits. DRF's field also accepts ``5_7`` and ``57.0``."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number; raise ValidationError for any other spelling."""
        if not re.fullmatch(r"-?[0-9]+", data):
            self.fail("invalid")
        value: int = super().to_internal_value(data)
        return value


class XsollaStateField(StrictCharField):
    """``state``: printable characters."""

    def to_internal_value(self, data: Any) -> str:
        """Return the state; raise ValidationError if it could not be handed back unchanged."""
        state = super().to_internal_value(data)
        if not state.isprintable() or REPLACEMENT in state:
            raise serializers.ValidationError("Only printable characters are allowed.")
        return state


class XsollaOAuth2Query(serializers.Serializer[Any]):
    """The parameters in the query; others are ignored."""

    client_id = XsollaClientField(
        source="client",
        help_text="Your application ID. Get it after creating an OAuth 2.0 client.",
    )
    redirect_uri = serializers.CharField(
        source="redirect",
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="URL to redirect the user to after account confirmation, successful "
        "authentication, or password reset confirmation. The parameter is required if you have "
        "more than one redirect URI in your project settings.",
    )
    state = XsollaStateField(
        source="client_state",
        required=False,
        min_length=9,
        max_length=512,
        trim_whitespace=False,
        help_text="Value used for additional user verification. Often used to mitigate CSRF "
        "Attacks. The value will be returned in the response. Must be longer than 8 symbols.",
    )
    locale = LanguageField(
        source="language", required=False, help_text="Language of the message, such as de_DE."
    )


class XsollaOAuth2Resend(XsollaResend):
    """The resend view of the OAuth 2.0 call."""

    dialect = "xsolla-oauth2"
    lands_with_code = True
    query_class = XsollaOAuth2Query
    answers = XsollaResend.answers | {
        (Refusal.INVALID, "state"): Answer(
            400,
            "010-022",
            "Parameter state is missing or too weak: it must be longer than 8 characters.",
        ),
    }
    operation = Operation(
        id="oauth-20-resend-account-confirmation-email",
        summary="[OAuth2.0] Resend account confirmation email",
        description="Resends an account confirmation email to a user. To complete account "
        "confirmation, the user should follow the link in the email.",
        documented=(204, 400, 404, 409, 422, 429),
        descriptions=DOCUMENTED,
        examples=(EXAMPLE, _UNUSED),
    )

    @classmethod
    def granted(cls, opened: Opened, client: Client, url: str) -> Mapping[str, str]:
        """Return ``state`` and, if AUTHORIZATION_CODE_ISSUER is set, an authorization code."""
        assert opened.delivery is not None
        state = opened.delivery.client_state
        issue = conf.get().AUTHORIZATION_CODE_ISSUER
        code = import_string(issue)(opened.account, client, url, state) if issue else ""
        return {"code": code, "state": state}

    @classmethod
    def check(cls, client: Client) -> list[checks.CheckMessage]:
        """Warn also if AUTHORIZATION_CODE_ISSUER is not set: redirects then have no code."""
        found = super().check(client)
        if conf.get().AUTHORIZATION_CODE_ISSUER:
            return found
        text = f"{cls.dialect}: no authorization code is put on the redirects of {client.name!r}"
        hint = 'Set RESEND_CONFIRMATION["AUTHORIZATION_CODE_ISSUER"], or silence this check.'
        return [*found, checks.Warning(text, hint=hint, id="resend_confirmation.W001")]

"""Backendless: POST api/users/resendconfirmation/<identity>.

https://backendless.com/docs/rest/
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest
from django.urls import path, re_path
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from .. import clients
from ..clients import Client
from ..engine import Opened
from ..outcomes import Outcome, Refusal
from .base import (
    Answer,
    Column,
    ErrorDetails,
    Export,
    IdentityField,
    Operation,
    ResendView,
    unlisted,
)

_NOT_FOUND = Answer(
    400,
    3104,
    "Unable to send email confirmation - user account with the email cannot be found.",
)
_CONFIRMED = Answer(
    400,
    3102,
    "User has already confirmed the email address. Email confirmation will not be sent.",
)
_NOT_ENABLED = Answer(
    400,
    3103,
    'Unable to send email confirmation. The "Require Email Confirmation" option must be '
    "enabled in Backendless Console (see the Users > Registration screen)",
)
_UNKNOWN_CLIENT = Answer(
    400,
    2002,
    "Version is disabled or provided wrong application info (application id or secret key)",
)
_LIMIT = Answer(429, 999, "Cannot process request - request per second limit has been exhausted")

#: The rest of a path after the operation's name, in the documented spelling or in the spelling
#: of one generation of clients.
_IDENTITY = re.compile(r"/users/resend(?:c|EmailC)onfirmation/([\s\S]*)\Z")

#: A byte that is not valid UTF-8, percent-encoded by Django's handler.
_REQUOTED = re.compile(rb"%([89A-F][0-9A-F])")

#: Examples for the schema: one error with status 400 for each code.
_ERRORS = tuple(
    OpenApiExample(
        str(answer.code),
        value={"message": answer.message, "code": answer.code},
        response_only=True,
        status_codes=["400"],
    )
    for answer in (_CONFIRMED, _NOT_ENABLED, _NOT_FOUND, _UNKNOWN_CLIENT)
)


class BackendlessPath(serializers.Serializer[Any]):
    """The parts of the path. Only one URL pattern has an application id and a key."""

    identity = IdentityField()
    app_id = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    api_key = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class BackendlessHeaders(serializers.Serializer[Any]):
    """The headers of old clients, which have no application id and no key in the path."""

    application_id = serializers.CharField(
        source="app_id", default="", allow_blank=True, trim_whitespace=False
    )
    secret_key = serializers.CharField(
        source="api_key", default="", allow_blank=True, trim_whitespace=False
    )


class BackendlessError(serializers.Serializer[Any]):
    """The envelope of errors: ``code`` is an integer."""

    message = serializers.CharField()
    code = serializers.IntegerField()


class BackendlessResend(ResendView):
    """The resend view for clients that are identified by the path or by the host name."""

    dialect = "backendless"
    path_class = BackendlessPath
    error_class = BackendlessError
    answers = {
        Outcome.SENT: Answer(200),
        Outcome.UNKNOWN: _NOT_FOUND,
        Outcome.BLOCKED: _NOT_FOUND,
        Outcome.CONFIRMED: _CONFIRMED,
        Outcome.COOLING_DOWN: _LIMIT,
        Refusal.THROTTLED: _LIMIT,
        Refusal.NOT_ENABLED: _NOT_ENABLED,
        Refusal.INVALID: _NOT_FOUND,
        (Refusal.INVALID, "app_id"): _UNKNOWN_CLIENT,
        (Refusal.INVALID, "api_key"): _UNKNOWN_CLIENT,
        Refusal.MALFORMED: _NOT_FOUND,
        Refusal.UNKNOWN_CLIENT: _UNKNOWN_CLIENT,
        Refusal.REDIRECT_REQUIRED: _NOT_FOUND,
        Refusal.REDIRECT_NOT_ALLOWED: _NOT_FOUND,
        Refusal.TOO_LARGE: Answer(413, 413, "Request body is too large."),
        Refusal.WRONG_METHOD: Answer(405, 405, "Method not allowed."),
        Refusal.FAILED: Answer(500, 500, "Something went wrong."),
    }
    operation = Operation(
        id="resend-email-confirmation",
        summary="Resend Email Confirmation",
        description=(
            "This API resends the email confirmation email message to a user. It applies only to "
            'the apps which have the "Require email confirmation" option enabled. If the user '
            'status is "email confirmation pending", then an email with the confirmation link is '
            "resent, otherwise an error occurs."
        ),
        documented=(200, 400, 429),
        descriptions={
            200: (
                "None. If the API request completes successfully, it means an email confirmation "
                "message has been sent to the user. Otherwise, an error will be returned."
            ),
            400: "The API call may result in the following errors.",
        },
        examples=_ERRORS,
        parameters=(
            OpenApiParameter(
                "identity",
                str,
                OpenApiParameter.PATH,
                description="Value in a column marked as identity in the Users table. By default "
                "a Backendless application has email as the identity column. In that case the "
                "parameter for the API should be the email address of a user.",
                examples=[OpenApiExample("Identity", value="alice@yourmail.com")],
            ),
        ),
    )

    def path_values(self, request: HttpRequest, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the parts of the path, with the identity as read from the raw path."""
        return {**kwargs, "identity": _identity(request) or kwargs.get("identity") or ""}

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """Return the client by application id and key if the path or the headers have them.

        Otherwise return the client by host name, or the default client.
        """
        if "app_id" in values:
            return clients.by_id(self.dialect, values["app_id"], values["api_key"])
        host = request.META.get("HTTP_HOST", "").partition(":")[0]
        return clients.by_host(host) or clients.default()

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """Return an object, never an empty body: one client treats an empty error as success."""
        return {"message": answer.message, "code": answer.code}

    @classmethod
    def landing(cls, opened: Opened, client: Client, url: str) -> str | None:
        """Return None: the browser stays on our page, as it stays on the vendor's.

        The client's ``pages`` take precedence.
        """
        return None


class BackendlessHeadersResend(BackendlessResend):
    """The same view for old clients, which identify their application in headers."""

    header_class = BackendlessHeaders
    answers = {
        **BackendlessResend.answers,
        (Refusal.INVALID, "application-id"): _UNKNOWN_CLIENT,
        (Refusal.INVALID, "secret-key"): _UNKNOWN_CLIENT,
    }


def _identity(request: HttpRequest) -> str:
    """Return the identity from the raw path, percent-decoded once, as UTF-8 or else as Latin-1.

    Some clients send Latin-1. In the argument of the URL pattern, bytes that are not valid UTF-8
    have already been replaced.
    """
    found = _IDENTITY.search(_decode(_path(request)))
    return found[1].removesuffix("/") if found else ""


def _path(request: HttpRequest) -> bytes:
    """Return the path's bytes, percent-decoded once, from the least processed source."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        raw = scope.get("raw_path")
        return unquote_to_bytes(raw) if raw else str(scope["path"]).encode()
    if target := request.META.get("RAW_URI"):
        # The request target as gunicorn received it. gunicorn's PATH_INFO ends at a "#", but the
        # "#" belongs to the identity.
        return unquote_to_bytes(target.partition("?")[0].encode("latin-1"))
    # The path of other WSGI servers: Django has decoded it and percent-encoded invalid UTF-8
    # again. An identity that contains such a sequence literally cannot be distinguished.
    return _REQUOTED.sub(
        lambda match: bytes.fromhex(match[1].decode("ascii")), request.path_info.encode()
    )


def _decode(path: bytes) -> str:
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return path.decode("latin-1")


# The optional leading slash is for clients with a base URL that ends in a slash: they send two.
# [\s\S] is used because an identity may contain any character, line breaks included. Only the
# documented variant is in the schema.
_TAIL = r"users/resend(?:c|EmailC)onfirmation(?:/(?P<identity>[\s\S]*))?\Z"
_OTHER = unlisted(BackendlessResend.as_view())

_STATUSES = {"EMAIL_CONFIRMATION_PENDING": "pending", "ENABLED": "confirmed", "DISABLED": "blocked"}

#: The table Users of an exported application: https://backendless.com/docs/rest/users_user_status.html
EXPORT = Export(
    {
        "email": [Column("email")],
        "username": [Column("name")],
        "confirmed": [Column("userStatus", lambda status: _STATUSES[status] == "confirmed")],
        "blocked": [Column("userStatus", lambda status: _STATUSES[status] == "blocked")],
        "language": [Column("blUserLocale")],
        "registered_at": [Column("created")],
    }
)

app_name = "resend_confirmation_backendless"

urlpatterns = [
    path(
        "api/users/resendconfirmation/<path:identity>",
        BackendlessResend.as_view(),
        name="backendless",
    ),
    re_path(rf"^[/]?api/{_TAIL}", _OTHER),
    re_path(rf"^[/]?v1/{_TAIL}", unlisted(BackendlessHeadersResend.as_view())),
    re_path(rf"^[/]?(?P<app_id>[^/]+)/(?P<api_key>[^/]+)/{_TAIL}", _OTHER),
]

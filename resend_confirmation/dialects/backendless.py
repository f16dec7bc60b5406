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
from .base import Answer, ErrorDetails, IdentityField, Operation, ResendView

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

#: What follows the operation's name in a path, in the documented and in a client's spelling.
_IDENTITY = re.compile(r"/users/resend(?:c|EmailC)onfirmation/([\s\S]*)\Z")

#: A byte that is no UTF-8, as Django's handler writes it into a path.
_REQUOTED = re.compile(rb"%([89A-F][0-9A-F])")

#: The errors that a caller can tell apart by their codes, for the schema.
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
    """What the path says; application id and key only where the client was given them."""

    identity = IdentityField()
    app_id = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    api_key = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class BackendlessError(serializers.Serializer[Any]):
    """The envelope of errors: ``code`` is an integer."""

    message = serializers.CharField()
    code = serializers.IntegerField()


class BackendlessResend(ResendView):
    """Resends the email confirmation email message to a user.

    It applies only to the apps which have the "Require email confirmation" option enabled. If
    the user status is "email confirmation pending", then an email with the confirmation link is
    resent, otherwise an error occurs.
    """

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
        """The path's parts, with the identity read from its bytes."""
        return {**kwargs, "identity": _identity(request) or kwargs.get("identity") or ""}

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """By application id and key in the path; else by host name, else the default."""
        if "app_id" in values:
            return clients.by_id(self.dialect, values["app_id"], values["api_key"])
        host = request.META.get("HTTP_HOST", "").partition(":")[0]
        return clients.by_host(host) or clients.default()

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """An object, never empty: a client takes an empty error for success."""
        return {"message": answer.message, "code": answer.code}

    @classmethod
    def landing(cls, opened: Opened, client: Client, url: str) -> str | None:
        """Our own pages, as the vendor has its own; ``pages`` of the client replace them."""
        return None


class BackendlessHeadersResend(BackendlessResend):
    """The same for old clients, which name their application in headers."""

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """By the headers ``application-id`` and ``secret-key``."""
        headers = request.headers
        return clients.by_id(
            self.dialect, headers.get("application-id", ""), headers.get("secret-key", "")
        )


def _identity(request: HttpRequest) -> str:
    """The identity in the path's bytes, decoded once: as UTF-8, else as Latin-1.

    Django replaces bytes that are no UTF-8, and some clients send Latin-1.
    """
    found = _IDENTITY.search(_decode(_path(request)))
    return found[1].removesuffix("/") if found else ""


def _path(request: HttpRequest) -> bytes:
    """The path's bytes, decoded once, from what is nearest to the wire."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        raw = scope.get("raw_path")
        return unquote_to_bytes(raw) if raw else str(scope["path"]).encode()
    if target := request.META.get("RAW_URI"):
        # gunicorn's, as it came; its PATH_INFO ends at a "#", which here is no fragment.
        return unquote_to_bytes(target.partition("?")[0].encode("latin-1"))
    # Django has decoded WSGI's path already, and quoted the bytes that are no UTF-8 again. An
    # identity with such quotes of its own cannot be told from it.
    return _REQUOTED.sub(
        lambda match: bytes.fromhex(match[1].decode("ascii")), request.path_info.encode()
    )


def _decode(path: bytes) -> str:
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return path.decode("latin-1")


# A base URL that ends in a slash makes clients send two, hence [/]?; a path may hold anything,
# hence [\s\S]. Only the documented form is in the schema.
_TAIL = r"users/resend(?:c|EmailC)onfirmation(?:/(?P<identity>[\s\S]*))?\Z"
_OTHER = BackendlessResend.as_view(schema=None)

app_name = "resend_confirmation_backendless"

urlpatterns = [
    path(
        "api/users/resendconfirmation/<path:identity>",
        BackendlessResend.as_view(),
        name="backendless",
    ),
    re_path(rf"^[/]?api/{_TAIL}", _OTHER),
    re_path(rf"^[/]?v1/{_TAIL}", BackendlessHeadersResend.as_view(schema=None)),
    re_path(rf"^[/]?(?P<app_id>[^/]+)/(?P<api_key>[^/]+)/{_TAIL}", _OTHER),
]

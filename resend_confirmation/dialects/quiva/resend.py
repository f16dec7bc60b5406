"""quiva.ai: POST accounts/resend-confirmation."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from ...engine import Result
from ...outcomes import Outcome, Refusal
from ..base import (
    QUIET,
    AddressField,
    Answer,
    ErrorDetails,
    Fault,
    Operation,
    ResendView,
    Table,
)

MESSAGE = (
    "Please check your inbox. If a root account is associated with this email and remains "
    "unconfirmed, a reconfirmation message should have been sent."
)


class QuivaResendBody(serializers.Serializer[Any]):
    """The request."""

    email = AddressField(
        source="identity",
        help_text="Email address to resend confirmation to",
        style={"example": "user@example.com"},
    )


class QuivaMessage(serializers.Serializer[Any]):
    """The content of ``data``."""

    message = serializers.CharField(required=False, style={"example": MESSAGE})


class QuivaSuccess(serializers.Serializer[Any]):
    """The envelope of success."""

    data = QuivaMessage()  # type: ignore[assignment]


class QuivaError(serializers.Serializer[Any]):
    """The envelope of errors: ``error`` is always a string."""

    error = serializers.CharField()
    message = serializers.CharField(required=False)
    retry_after = serializers.IntegerField(required=False)


#: Rows that the tables of both views share.
SHARED: Table = {
    Refusal.MALFORMED: Answer(400, message="Request body is not valid JSON"),
    Refusal.TOO_LARGE: Answer(413, message="Request body is too large"),
    Refusal.THROTTLED: Answer(429, message="Rate limit exceeded"),
    Refusal.WRONG_METHOD: Answer(405, message="Method not allowed"),
    Refusal.FAILED: Answer(500, message="An unexpected error occurred"),
}


def error_body(answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
    """Return the error, with the time to wait only if the throttle refused the request.

    The throttle counts requests of a caller, so it reveals nothing about an account.
    """
    body: dict[str, Any] = {"error": answer.message}
    if detail.retry_after:
        body["message"] = "Too many requests. Please try again later"
        body["retry_after"] = detail.retry_after
    return body


class QuivaResend(ResendView):
    """The resend view, with answers that do not depend on the account."""

    dialect = "quiva"
    body_class = QuivaResendBody
    success_class = QuivaSuccess
    error_class = QuivaError
    answers = {
        Outcome.SENT: Answer(200, message=MESSAGE),
        Outcome.UNKNOWN: QUIET,
        Outcome.CONFIRMED: QUIET,
        Outcome.BLOCKED: QUIET,
        Outcome.COOLING_DOWN: QUIET,
        Refusal.NOT_ENABLED: QUIET,
        Refusal.UNKNOWN_CLIENT: QUIET,
        Refusal.REDIRECT_REQUIRED: QUIET,
        Refusal.REDIRECT_NOT_ALLOWED: QUIET,
        Refusal.INVALID: Answer(400, message="Email is not valid"),
        (Refusal.INVALID, "email", Fault.MISSING): Answer(400, message="Email is required"),
        **SHARED,
    }
    operation = Operation(
        id="resendAccountConfirmation",
        summary="Resend email confirmation",
        description=(
            "Resends email confirmation link to user. Always returns success for security reasons."
        ),
        tags=("Account Management",),
        documented=(200,),
        descriptions={200: "Confirmation email sent (always returns success)"},
        inline=True,
    )

    def success_body(self, answer: Answer, result: Result) -> Mapping[str, Any]:
        """Return the message, which is the same for every outcome."""
        return {"data": {"message": answer.message}}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        return error_body(answer, detail)

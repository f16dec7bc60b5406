"""POST v2/resend with {"email": "<address>"}, answered by bare strings that tell nothing."""

from typing import Any

from rest_framework import serializers

from resend_confirmation.dialects.base import (
    QUIET,
    AddressField,
    Answer,
    ErrorDetails,
    Operation,
    ResendView,
    routes,
)
from resend_confirmation.engine import Result
from resend_confirmation.outcomes import Outcome, Refusal

NOT_AN_ADDRESS = Answer(400, message="Not an e-mail address")


class BareStringBody(serializers.Serializer[Any]):
    """The request."""

    email = AddressField(source="identity")


class BareStringResend(ResendView):
    """Send the confirmation again."""

    dialect = "bare-string"
    body_class = BareStringBody
    success_class = serializers.CharField
    error_class = serializers.CharField
    answers = {
        Outcome.SENT: Answer(200, message="OK"),
        Outcome.UNKNOWN: QUIET,
        Outcome.CONFIRMED: QUIET,
        Outcome.BLOCKED: QUIET,
        Outcome.COOLING_DOWN: QUIET,
        Refusal.INVALID: NOT_AN_ADDRESS,
        Refusal.MALFORMED: Answer(400, message="Not JSON"),
        Refusal.TOO_LARGE: Answer(413, message="Too large"),
        Refusal.UNKNOWN_CLIENT: Answer(403, message="Not here"),
        Refusal.NOT_ENABLED: QUIET,
        Refusal.REDIRECT_REQUIRED: NOT_AN_ADDRESS,
        Refusal.REDIRECT_NOT_ALLOWED: NOT_AN_ADDRESS,
        Refusal.THROTTLED: Answer(429, message="Too many"),
        Refusal.WRONG_METHOD: Answer(405, message="Not so"),
        Refusal.FAILED: Answer(500, message="Failed"),
    }
    operation = Operation(
        id="bare-string-resend", summary="Send the confirmation again", documented=(200, 400)
    )

    def success_body(self, answer: Answer, result: Result) -> str:
        """Return the text."""
        return answer.message

    def error_body(self, answer: Answer, detail: ErrorDetails) -> str:
        """Return the text."""
        return answer.message


urlpatterns = [*routes("v2/resend", BareStringResend, "bare-string")]

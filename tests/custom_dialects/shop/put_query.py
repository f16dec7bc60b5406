"""PUT confirmations?user=<user name or address>, without a body, and the key in a header."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework import serializers

from resend_confirmation import clients
from resend_confirmation.clients import Client
from resend_confirmation.dialects.base import (
    Answer,
    ErrorDetails,
    Fault,
    IdentityField,
    Operation,
    ResendView,
    StrictCharField,
    routes,
)
from resend_confirmation.outcomes import Outcome, Refusal

WAIT = Answer(429, "WAIT")
INVALID = Answer(422, "INVALID")
WHERE_TO = Answer(422, "RETURN_URL")


class PutQueryHeaders(serializers.Serializer[Any]):
    """The header that names the client."""

    X_App_Key = StrictCharField(source="client", required=False)


class PutQueryQuery(serializers.Serializer[Any]):
    """The identity, and the redirect."""

    user = IdentityField(source="identity")
    return_url = serializers.CharField(source="redirect", required=False)


class PutQueryError(serializers.Serializer[Any]):
    """The envelope of errors."""

    error = serializers.CharField()


class PutQueryResend(ResendView):
    """Send the confirmation again."""

    dialect = "put-query"
    method = "put"
    header_class = PutQueryHeaders
    query_class = PutQueryQuery
    error_class = PutQueryError
    answers = {
        Outcome.SENT: Answer(204),
        Outcome.UNKNOWN: Answer(404, "USER"),
        Outcome.CONFIRMED: Answer(409, "CONFIRMED"),
        Outcome.BLOCKED: Answer(403, "BLOCKED"),
        Outcome.COOLING_DOWN: WAIT,
        Refusal.INVALID: INVALID,
        (Refusal.INVALID, "user", Fault.MISSING): Answer(422, "USER_REQUIRED"),
        Refusal.MALFORMED: INVALID,
        Refusal.TOO_LARGE: Answer(413, "TOO_LARGE"),
        Refusal.UNKNOWN_CLIENT: Answer(401, "KEY"),
        Refusal.NOT_ENABLED: Answer(403, "OFF"),
        Refusal.REDIRECT_REQUIRED: WHERE_TO,
        Refusal.REDIRECT_NOT_ALLOWED: WHERE_TO,
        Refusal.THROTTLED: WAIT,
        Refusal.WRONG_METHOD: Answer(405, "METHOD"),
        Refusal.FAILED: Answer(500, "FAILED"),
    }
    operation = Operation(
        id="put-confirmation", summary="Send the confirmation again", documented=(204, 404)
    )

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """Find the client by the key in the header."""
        return clients.by_id(self.dialect, values.get("client", ""))

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """Return one word."""
        return {"error": answer.code}


urlpatterns = [*routes("confirmations", PutQueryResend, "put-query")]

"""A dialect of nobody's, itself a URLconf: PUT with a query and no body, success a bare string.

It stands for the next vendor: what its shape needs must not need a change of the base.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from resend_confirmation import clients
from resend_confirmation.clients import Client
from resend_confirmation.dialects.base import (
    Answer,
    ErrorDetails,
    IdentityField,
    ResendView,
    routes,
)
from resend_confirmation.engine import Result
from resend_confirmation.outcomes import Outcome, Refusal


class InventedQuery(serializers.Serializer[Any]):
    """Everything is in the query."""

    who = IdentityField(source="identity")
    app = serializers.CharField(source="client")
    then = serializers.CharField(source="redirect", required=False)


class InventedError(serializers.Serializer[Any]):
    """One key."""

    oops = serializers.CharField()


class InventedResend(ResendView):
    """Ask with PUT."""

    dialect = "invented"
    method = "put"
    query_class = InventedQuery
    success_class = serializers.CharField
    error_class = InventedError
    answers = {
        Outcome.SENT: Answer(202, message="on its way"),
        Outcome.UNKNOWN: Answer(404, message="who?"),
        Outcome.CONFIRMED: Answer(410, message="done already"),
        Outcome.BLOCKED: Answer(451, message="no"),
        Outcome.COOLING_DOWN: Answer(420, message="calm down"),
        Refusal.INVALID: Answer(422, message="what?"),
        (Refusal.INVALID, "who"): Answer(422, message="who, please?"),
        Refusal.MALFORMED: Answer(400, message="what?"),
        Refusal.TOO_LARGE: Answer(413, message="too much"),
        Refusal.UNKNOWN_CLIENT: Answer(401, message="whose app?"),
        Refusal.NOT_ENABLED: Answer(409, message="not here"),
        Refusal.REDIRECT_REQUIRED: Answer(422, message="where to?"),
        Refusal.REDIRECT_NOT_ALLOWED: Answer(422, message="not there"),
        Refusal.THROTTLED: Answer(420, message="calm down"),
        Refusal.WRONG_METHOD: Answer(405, message="PUT it"),
        Refusal.FAILED: Answer(503, message="oh dear"),
    }

    def find_client(self, request: Any, values: Mapping[str, Any]) -> Client | None:
        """By name."""
        return clients.by_name(values["client"])

    def success_body(self, answer: Answer, result: Result) -> str:
        """A bare JSON string."""
        return f"{answer.message} to {result.identity}"

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """One key."""
        return {"oops": answer.message}


urlpatterns = routes("resend/please", InventedResend, "invented")

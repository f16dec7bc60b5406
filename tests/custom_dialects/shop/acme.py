"""Acme Login: POST v1/accounts/resend.

https://docs.acme.example/accounts#resend
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework import serializers

from resend_confirmation import clients
from resend_confirmation.clients import Client
from resend_confirmation.dialects.base import (
    QUIET,
    Answer,
    ErrorDetails,
    Fault,
    IdentityField,
    Operation,
    ResendView,
    StrictCharField,
    routes,
)
from resend_confirmation.engine import Result
from resend_confirmation.outcomes import Outcome, Refusal


class AcmeQuery(serializers.Serializer):
    """The inputs in the query."""

    realm = StrictCharField(source="client")  # the vendor's name, this package's name


class AcmeBody(serializers.Serializer):
    """The request."""

    login = IdentityField(source="identity")


class AcmeSuccess(serializers.Serializer):
    """The envelope of success."""

    state = serializers.CharField()


class AcmeProblem(serializers.Serializer):
    """One entry of ``errors``."""

    id = serializers.CharField()
    title = serializers.CharField()


class AcmeError(serializers.Serializer):
    """The envelope of errors."""

    errors = AcmeProblem(many=True)


class AcmeResend(ResendView):
    """Send the confirmation again."""

    dialect = "acme"
    query_class = AcmeQuery
    body_class = AcmeBody
    success_class = AcmeSuccess
    error_class = AcmeError
    answers = {
        Outcome.SENT: Answer(202, message="queued"),
        Outcome.UNKNOWN: QUIET,
        Outcome.CONFIRMED: Answer(409, "confirmed", "Already confirmed"),
        Outcome.BLOCKED: Answer(403, "blocked", "Account is blocked"),
        Outcome.COOLING_DOWN: Answer(429, "wait", "Please wait"),
        Refusal.INVALID: Answer(422, "input", "Input is not valid"),
        (Refusal.INVALID, "login", Fault.MISSING): Answer(422, "login", "Who are you?"),
        Refusal.MALFORMED: Answer(400, "json", "Body is not JSON"),
        Refusal.TOO_LARGE: Answer(413, "size", "Body is too large"),
        Refusal.UNKNOWN_CLIENT: Answer(404, "realm", "No such realm"),
        Refusal.NOT_ENABLED: Answer(403, "off", "Realm needs no confirmation"),
        Refusal.REDIRECT_REQUIRED: Answer(422, "input", "Input is not valid"),
        Refusal.REDIRECT_NOT_ALLOWED: Answer(422, "input", "Input is not valid"),
        Refusal.THROTTLED: Answer(429, "wait", "Please wait"),
        Refusal.WRONG_METHOD: Answer(405, "method", "Use POST"),
        Refusal.FAILED: Answer(500, "crash", "Something went wrong"),
    }
    operation = Operation(
        id="acme-resend",
        summary="Send the confirmation again",
        documented=(202, 403, 404, 409, 422, 429),
    )

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """Find the client by the realm in the query."""
        return clients.by_id(self.dialect, values["client"])

    def success_body(self, answer: Answer, result: Result) -> Mapping[str, Any]:
        """Return the row's text as the state."""
        return {"state": answer.message}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """Return a list with one problem."""
        return {"errors": [{"id": answer.code, "title": answer.message}]}


urlpatterns = [*routes("v1/accounts/resend", AcmeResend, "acme")]

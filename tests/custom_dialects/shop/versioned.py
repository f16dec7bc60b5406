"""POST user/confirmation with {"user": "<user name or address>"}; a header chooses the envelopes.

Without ``Api-Version``, or with 1, they are the vendor's first; with 2 an error is a problem of
RFC 9457.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from resend_confirmation.dialects.base import (
    Answer,
    ErrorDetails,
    IdentityField,
    Operation,
    ResendView,
    routes,
)
from resend_confirmation.engine import Result
from resend_confirmation.outcomes import Outcome, Refusal

WAIT = Answer(429, "wait", "Wait a little")
INVALID = Answer(400, "invalid", "Something is wrong with the request")


class VersionedHeaders(serializers.Serializer[Any]):
    """The version of the envelopes that the caller reads."""

    Api_Version = serializers.ChoiceField(choices=["1", "2"], required=False)


class VersionedBody(serializers.Serializer[Any]):
    """The request."""

    user = IdentityField(source="identity")


class VersionedFirstSuccess(serializers.Serializer[Any]):
    """The first envelope of success."""

    ok = serializers.BooleanField()


class VersionedFirstError(serializers.Serializer[Any]):
    """The first envelope of errors."""

    ok = serializers.BooleanField()
    error = serializers.CharField()


class VersionedFirst(ResendView):
    """Send the confirmation again."""

    dialect = "versioned"
    header_class = VersionedHeaders
    body_class = VersionedBody
    success_class = VersionedFirstSuccess
    error_class = VersionedFirstError
    answers = {
        Outcome.SENT: Answer(202, message="queued"),
        Outcome.UNKNOWN: Answer(404, "unknown", "Nobody has this name"),
        Outcome.CONFIRMED: Answer(409, "confirmed", "Already confirmed"),
        Outcome.BLOCKED: Answer(403, "blocked", "The account is blocked"),
        Outcome.COOLING_DOWN: WAIT,
        Refusal.INVALID: INVALID,
        (Refusal.INVALID, "Api-Version"): Answer(400, "version", "There is no such version"),
        Refusal.MALFORMED: INVALID,
        Refusal.TOO_LARGE: Answer(413, "size", "The request is too large"),
        Refusal.UNKNOWN_CLIENT: Answer(401, "client", "There is no such client"),
        Refusal.NOT_ENABLED: Answer(403, "off", "Nothing needs to be confirmed here"),
        Refusal.REDIRECT_REQUIRED: INVALID,
        Refusal.REDIRECT_NOT_ALLOWED: INVALID,
        Refusal.THROTTLED: WAIT,
        Refusal.WRONG_METHOD: Answer(405, "method", "Use POST"),
        Refusal.FAILED: Answer(500, "failed", "Something went wrong"),
    }
    operation = Operation(
        id="versioned-resend", summary="Send the confirmation again", documented=(202, 400, 404)
    )

    def success_body(self, answer: Answer, result: Result) -> Mapping[str, Any]:
        """Return the first envelope of success."""
        return {"ok": True}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """Return the first envelope of errors."""
        return {"ok": False, "error": answer.code}


class VersionedSecondData(serializers.Serializer[Any]):
    """The content of ``data``."""

    status = serializers.CharField()


class VersionedSecondSuccess(serializers.Serializer[Any]):
    """The second envelope of success."""

    data = VersionedSecondData()


class VersionedProblem(serializers.Serializer[Any]):
    """The second envelope of errors."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()


class VersionedSecond(VersionedFirst):
    """The dialect with the second envelopes."""

    success_class = VersionedSecondSuccess
    error_class = VersionedProblem
    error_media_type = "application/problem+json"

    def success_body(self, answer: Answer, result: Result) -> Mapping[str, Any]:
        """Return the result."""
        return {"data": {"status": answer.message}}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """Return a problem."""
        return {
            "type": f"https://vendor.example/problems/{answer.code}",
            "title": answer.message,
            "status": answer.status,
        }


urlpatterns = [
    *routes(
        "user/confirmation",
        VersionedFirst,
        "versioned",
        header="Api-Version",
        variants={"2": VersionedSecond},
    )
]

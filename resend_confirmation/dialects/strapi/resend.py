"""Strapi: POST auth/send-email-confirmation, with the answers of Strapi 3 and of Strapi 4 and 5."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from ...engine import Result
from ...outcomes import Ending, Outcome, Refusal
from ..base import QUIET, AddressField, Answer, ErrorDetails, Fault, Operation, ResendView
from .yup import entry, printed

#: Node's reason phrases. Python's are not used, because they differ between Python versions.
REASON_PHRASES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class StrapiResendBody(serializers.Serializer[Any]):
    """The request; other keys are ignored."""

    email = AddressField(source="identity")


class StrapiSuccess(serializers.Serializer[Any]):
    """The envelope of success."""

    email = serializers.CharField()
    sent = serializers.BooleanField()


class StrapiError(serializers.Serializer[Any]):
    """Strapi 3's envelope: the documented two keys, and the two that its clients use."""

    code = serializers.IntegerField()
    message = serializers.CharField()
    statusCode = serializers.IntegerField()  # noqa: N815 - the vendor's word
    error = serializers.CharField()


def error_body(answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
    """Return Strapi 3's error body, in which ``code`` is the HTTP status."""
    return {
        "code": answer.status,
        "message": answer.message,
        "statusCode": answer.status,
        "error": REASON_PHRASES[answer.status],
    }


class StrapiResend(ResendView):
    """The resend view of Strapi 3."""

    dialect = "strapi"
    body_class = StrapiResendBody
    success_class = StrapiSuccess
    error_class = StrapiError
    takes_form = True
    answers = {
        Outcome.SENT: Answer(200),
        Outcome.UNKNOWN: Answer(404, message="Not found"),
        Outcome.CONFIRMED: Answer(400, message="already.confirmed"),
        Outcome.BLOCKED: Answer(400, message="blocked.user"),
        Outcome.COOLING_DOWN: Answer(
            429, message="Too many attempts, please try again in a minute."
        ),
        Refusal.THROTTLED: Answer(429, message="Too many attempts, please try again in a minute."),
        Refusal.NOT_ENABLED: Answer(403, message="Forbidden"),
        Refusal.UNKNOWN_CLIENT: Answer(403, message="Forbidden"),
        Refusal.REDIRECT_REQUIRED: Answer(403, message="Forbidden"),
        Refusal.REDIRECT_NOT_ALLOWED: Answer(403, message="Forbidden"),
        Refusal.INVALID: Answer(400, message="wrong.email"),
        (Refusal.INVALID, "email", Fault.MISSING): Answer(400, message="missing.email"),
        Refusal.MALFORMED: Answer(400, message="invalid JSON, only supports object and array"),
        Refusal.TOO_LARGE: Answer(413, message=REASON_PHRASES[413]),
        Refusal.WRONG_METHOD: Answer(405, message=REASON_PHRASES[405]),
        Refusal.FAILED: Answer(500, message=REASON_PHRASES[500]),
    }
    operation = Operation(
        id="auth-send-email-confirmation-post",
        summary="Send a confirmation email to user",
        description="Send a confirmation email to user",
        documented=(200, 403, 404, "default"),
        descriptions={200: "response", "default": "unexpected error"},
    )

    def success_body(self, answer: Answer, result: Result) -> Mapping[str, Any]:
        """Return the account's stored address, or the address as typed if the request is quiet."""
        return {"email": result.address, "sent": True}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        return error_body(answer, detail)


class StrapiV4ErrorDetail(serializers.Serializer[Any]):
    """What ``error`` holds."""

    status = serializers.IntegerField()
    name = serializers.CharField()
    message = serializers.CharField()
    details = serializers.JSONField(required=False)


class StrapiV4Error(serializers.Serializer[Any]):
    """Strapi 4's and 5's envelope."""

    data = serializers.JSONField(allow_null=True)  # type: ignore[assignment]
    error = StrapiV4ErrorDetail()


def v4_error_body(answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
    """Return Strapi 4's and 5's error body.

    ``details`` names the invalid field. It is empty if no field is invalid, and absent for a
    malformed body and for a crash.
    """
    message = answer.message or detail.reason
    if detail.fault is Fault.NOT_A_STRING:
        message = message.format(value=printed(detail.value))
    error: dict[str, Any] = {"status": answer.status, "name": answer.code, "message": message}
    if answer.code == "ValidationError" and detail.name:
        error["details"] = {"errors": [entry(message, detail)]}
    elif answer.code not in {"SyntaxError", "InternalServerError"}:
        error["details"] = {}
    return {"data": None, "error": error}


class StrapiV4Resend(ResendView):
    """The resend view of Strapi 4 and 5."""

    dialect = "strapi-v4"
    body_class = StrapiResendBody
    success_class = StrapiSuccess
    error_class = StrapiV4Error
    takes_form = True
    takes_multipart = True
    answers = {
        Outcome.SENT: Answer(200),
        Outcome.UNKNOWN: QUIET,
        Outcome.CONFIRMED: Answer(400, "ApplicationError", "Already confirmed"),
        Outcome.BLOCKED: Answer(400, "ApplicationError", "User blocked"),
        Outcome.COOLING_DOWN: Answer(
            429, "RateLimitError", "Too many requests, please try again later."
        ),
        Refusal.THROTTLED: Answer(
            429, "RateLimitError", "Too many requests, please try again later."
        ),
        Refusal.NOT_ENABLED: Answer(403, "ForbiddenError", "Forbidden"),
        Refusal.UNKNOWN_CLIENT: Answer(403, "ForbiddenError", "Forbidden"),
        Refusal.REDIRECT_REQUIRED: Answer(403, "ForbiddenError", "Forbidden"),
        Refusal.REDIRECT_NOT_ALLOWED: Answer(403, "ForbiddenError", "Forbidden"),
        Refusal.INVALID: Answer(400, "ValidationError", "email must be a valid email"),
        (Refusal.INVALID, "email", Fault.MISSING): Answer(
            400, "ValidationError", "email is a required field"
        ),
        (Refusal.INVALID, "email", Fault.NOT_A_STRING): Answer(
            400,
            "ValidationError",
            "email must be a `string` type, but the final value was: `{value}`.",
        ),
        Refusal.MALFORMED: Answer(400, "SyntaxError"),
        Refusal.TOO_LARGE: Answer(413, "PayloadTooLargeError", REASON_PHRASES[413]),
        Refusal.WRONG_METHOD: Answer(405, "MethodNotAllowedError", REASON_PHRASES[405]),
        Refusal.FAILED: Answer(500, "InternalServerError", REASON_PHRASES[500]),
    }
    operation = Operation(
        id="strapi-v4-auth-send-email-confirmation-post",
        summary="Send a confirmation email to user",
        description="Send a confirmation email to user",
        documented=(200, 400, 403, 429, "default"),
        descriptions={200: "response", "default": "unexpected error"},
        wait_headers=(
            "Retry-After",
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
        ),
    )

    def success_body(self, answer: Answer, result: Result) -> Mapping[str, Any]:
        """Return the address as typed: the stored one would reveal that there is an account."""
        return {"email": result.identity, "sent": True}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        return v4_error_body(answer, detail)

    def error_headers(self, ending: Ending, detail: ErrorDetails) -> Mapping[str, str]:
        """Add the rate limiter's headers to ``Retry-After``; the reset time is in epoch seconds."""
        headers = super().error_headers(ending, detail)
        if not detail.retry_after:
            return headers
        reset = int(timezone.now().timestamp()) + detail.retry_after
        return {
            **headers,
            "X-RateLimit-Limit": str(detail.limit or 1),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(reset),
        }

"""Strapi: GET auth/email-confirmation, the link in the vendor's own messages.

It redirects to our page with the button, so that a mail scanner that opens it confirms nothing.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from ...outcomes import Refusal, Verdict
from ..base import Answer, ErrorDetails, Fault, LinkView, Operation, TokenField
from .resend import REASON_PHRASES, StrapiError, StrapiV4Error, error_body, v4_error_body


class StrapiConfirmQuery(serializers.Serializer[Any]):
    """The token of the link."""

    confirmation = TokenField(source="token")


_TO_THE_PAGE = Answer(302)
_INVALID = Answer(400, message="token.invalid")
_V4_INVALID = Answer(400, "ValidationError", "Invalid token")


class StrapiConfirm(LinkView):
    """The view for links of Strapi 3, which redirects to our confirm page."""

    dialect = "strapi"
    query_class = StrapiConfirmQuery
    error_class: ClassVar[type[serializers.Serializer[Any]]] = StrapiError
    answers = {
        Verdict.READY: _TO_THE_PAGE,
        Verdict.CONFIRMED: _TO_THE_PAGE,
        Verdict.ALREADY: _TO_THE_PAGE,
        Verdict.EXPIRED: _TO_THE_PAGE,
        Verdict.DEAD: _INVALID,
        Verdict.FOREIGN: _INVALID,
        Refusal.INVALID: _INVALID,
        Refusal.MALFORMED: _INVALID,
        Refusal.THROTTLED: Answer(429, message="Too many attempts, please try again in a minute."),
        Refusal.TOO_LARGE: Answer(413, message=REASON_PHRASES[413]),
        Refusal.WRONG_METHOD: Answer(405, message=REASON_PHRASES[405]),
        Refusal.FAILED: Answer(500, message=REASON_PHRASES[500]),
    }
    operation = Operation(
        id="auth-email-confirmation-get",
        summary="Lead on to the page that confirms an email address",
        description="Lead on to the page that confirms an email address",
        documented=(302, 400, "default"),
        descriptions={302: "to the page", "default": "unexpected error"},
    )

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        return error_body(answer, detail)


class StrapiV4Confirm(StrapiConfirm):
    """The view for links of Strapi 4 and 5, which redirects to our confirm page."""

    dialect = "strapi-v4"
    error_class = StrapiV4Error
    answers = {
        **StrapiConfirm.answers,
        Verdict.DEAD: _V4_INVALID,
        Verdict.FOREIGN: _V4_INVALID,
        Refusal.INVALID: _V4_INVALID,
        (Refusal.INVALID, "confirmation", Fault.MISSING): Answer(
            400, "ValidationError", "confirmation is a required field"
        ),
        Refusal.MALFORMED: _V4_INVALID,
        Refusal.THROTTLED: Answer(
            429, "RateLimitError", "Too many requests, please try again later."
        ),
        Refusal.TOO_LARGE: Answer(413, "PayloadTooLargeError", REASON_PHRASES[413]),
        Refusal.WRONG_METHOD: Answer(405, "MethodNotAllowedError", REASON_PHRASES[405]),
        Refusal.FAILED: Answer(500, "InternalServerError", REASON_PHRASES[500]),
    }
    operation = Operation(
        id="strapi-v4-auth-email-confirmation-get",
        summary="Lead on to the page that confirms an email address",
        description="Lead on to the page that confirms an email address",
        documented=(302, 400, "default"),
        descriptions={302: "to the page", "default": "unexpected error"},
    )

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """Return the vendor's error body without repeating the token of the request."""
        return v4_error_body(answer, detail if detail.fault is Fault.MISSING else ErrorDetails())

"""Strapi: GET auth/email-confirmation, the link of the vendor's own messages.

It leads to our page with the button: a mail scanner that opens it confirms nothing.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.response import Response

from ... import clients, engine
from ...courier import links
from ...outcomes import Refusal, Verdict
from ..base import Answer, Call, Detail, Kind, Operation, TokenField
from .resend import REASONS, StrapiError, StrapiV4Error, error_body, v4_error_body


class StrapiConfirmQuery(serializers.Serializer[Any]):
    """The token of the link."""

    confirmation = TokenField(source="token")


_TO_THE_PAGE = Answer(302)
_INVALID = Answer(400, message="token.invalid")
_V4_INVALID = Answer(400, "ValidationError", "Invalid token")


class StrapiConfirm(Call):
    """Lead on to the page that confirms an email address."""

    dialect = "strapi"
    method = "get"
    succeeded = Verdict.READY
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
        Refusal.TOO_LARGE: Answer(413, message=REASONS[413]),
        Refusal.WRONG_METHOD: Answer(405, message=REASONS[405]),
        Refusal.FAILED: Answer(500, message=REASONS[500]),
    }
    operation = Operation(
        id="auth-email-confirmation-get",
        summary="Lead on to the page that confirms an email address",
        description="Lead on to the page that confirms an email address",
        documented=(302, 400, "default"),
        descriptions={302: "to the page", "default": "unexpected error"},
    )

    def ask(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Look at the token and change nothing."""
        opened = engine.inspect(values["token"], self.named(request, values))
        response = self.reply(opened.verdict, result=opened)
        if response.status_code == _TO_THE_PAGE.status:
            owner = clients.by_name(opened.delivery.client) if opened.delivery else None
            response["Location"] = links.page(opened.token, owner)
        return response

    def error_body(self, answer: Answer, detail: Detail) -> Mapping[str, Any]:
        """The vendor's."""
        return error_body(answer, detail)


class StrapiV4Confirm(StrapiConfirm):
    """Lead on to the page that confirms an email address, as Strapi 4 and 5."""

    dialect = "strapi-v4"
    error_class = StrapiV4Error
    answers = {
        **StrapiConfirm.answers,
        Verdict.DEAD: _V4_INVALID,
        Verdict.FOREIGN: _V4_INVALID,
        Refusal.INVALID: _V4_INVALID,
        (Refusal.INVALID, "confirmation", Kind.MISSING): Answer(
            400, "ValidationError", "confirmation is a required field"
        ),
        Refusal.MALFORMED: _V4_INVALID,
        Refusal.THROTTLED: Answer(
            429, "RateLimitError", "Too many requests, please try again later."
        ),
        Refusal.TOO_LARGE: Answer(413, "PayloadTooLargeError", REASONS[413]),
        Refusal.WRONG_METHOD: Answer(405, "MethodNotAllowedError", REASONS[405]),
        Refusal.FAILED: Answer(500, "InternalServerError", REASONS[500]),
    }
    operation = Operation(
        id="strapi-v4-auth-email-confirmation-get",
        summary="Lead on to the page that confirms an email address",
        description="Lead on to the page that confirms an email address",
        documented=(302, 400, "default"),
        descriptions={302: "to the page", "default": "unexpected error"},
    )

    def error_body(self, answer: Answer, detail: Detail) -> Mapping[str, Any]:
        """The vendor's; a token that came in is not said again."""
        return v4_error_body(answer, detail if detail.kind is Kind.MISSING else Detail())

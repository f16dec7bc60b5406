"""quiva.ai: POST accounts/confirm-email, for front ends that confirm addresses themselves."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from ...engine import Opened
from ...outcomes import Refusal, Verdict
from ..base import Answer, ConfirmView, ErrorDetails, Fault, Operation, TokenField
from .resend import SHARED, QuivaError, error_body


class QuivaConfirmBody(serializers.Serializer[Any]):
    """The request with a token. The vendor's other variant, with a typed code, is not supported."""

    token = TokenField(help_text="Token of the link in the message")


class QuivaConfirmed(serializers.Serializer[Any]):
    """The content of ``data``. An account has one user here, so both ids are the same."""

    account = serializers.CharField(help_text="The user name")
    email = serializers.EmailField()
    account_id = serializers.CharField()
    user_id = serializers.CharField()


class QuivaConfirmSuccess(serializers.Serializer[Any]):
    """The envelope of a confirmation."""

    data = QuivaConfirmed()  # type: ignore[assignment]


class QuivaConfirm(ConfirmView):
    """The view that confirms an address with the token from the link."""

    dialect = "quiva"
    body_class = QuivaConfirmBody
    success_class = QuivaConfirmSuccess
    error_class = QuivaError
    answers = {
        Verdict.CONFIRMED: Answer(200),
        # Success too, because some front ends post twice during development.
        Verdict.ALREADY: Answer(200),
        Verdict.READY: Answer(400, message="Invalid token"),
        Verdict.EXPIRED: Answer(400, message="Invalid token"),
        Verdict.DEAD: Answer(400, message="Invalid token"),
        Verdict.FOREIGN: Answer(400, message="Invalid token"),
        Refusal.INVALID: Answer(400, message="Invalid token"),
        (Refusal.INVALID, "token", Fault.MISSING): Answer(400, message="Token is required"),
        **SHARED,
    }
    operation = Operation(
        id="confirmAccountEmail",
        summary="Confirm email",
        description="Confirms an email address with the token of the link that was sent to it.",
        tags=("Account Management",),
        documented=(200, 400),
        descriptions={200: "Email confirmed"},
        inline=True,
    )

    def success_body(self, answer: Answer, result: Opened) -> Mapping[str, Any]:
        """Return the account's data, which reveals nothing new to a caller that has the token."""
        assert result.account is not None  # An address is confirmed with its account.
        pk = str(result.account.user.pk)
        account, email = result.account.username, result.account.address
        return {"data": {"account": account, "email": email, "account_id": pk, "user_id": pk}}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        return error_body(answer, detail)

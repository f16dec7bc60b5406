"""ResendConfirmationCode: POST / with the operation's name in a header, as in Amazon Cognito.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ResendConfirmationCode.html
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework import serializers

from resend_confirmation import clients
from resend_confirmation.clients import Client
from resend_confirmation.dialects.base import (
    Answer,
    ErrorDetails,
    IdentityField,
    Operation,
    ResendView,
    StrictCharField,
    routes,
)
from resend_confirmation.engine import Result
from resend_confirmation.outcomes import Outcome, Refusal

TARGET = "AWSCognitoIdentityProviderService.ResendConfirmationCode"
LIMIT = Answer(400, "LimitExceededException", "Attempt limit exceeded, please try after some time.")
BAD_PARAMETER = Answer(400, "InvalidParameterException", "1 validation error detected.")
BAD_JSON = Answer(400, "SerializationException", "The body is not a JSON object.")


class TargetedHeaders(serializers.Serializer[Any]):
    """The header that names the operation."""

    X_Amz_Target = serializers.ChoiceField(choices=[TARGET])


class TargetedBody(serializers.Serializer[Any]):
    """The request."""

    ClientId = StrictCharField(source="client")
    Username = IdentityField(source="identity")


class TargetedDetails(serializers.Serializer[Any]):
    """The address to which the message is sent."""

    AttributeName = serializers.CharField()
    DeliveryMedium = serializers.CharField()
    Destination = serializers.CharField()


class TargetedSuccess(serializers.Serializer[Any]):
    """The envelope of success."""

    CodeDeliveryDetails = TargetedDetails()


class TargetedError(serializers.Serializer[Any]):
    """The envelope of errors, whose first key is not a Python identifier."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields for the type of the error and its text."""
        return {"__type": serializers.CharField(), "message": serializers.CharField()}


class TargetedResend(ResendView):
    """Resend the confirmation."""

    dialect = "targeted"
    header_class = TargetedHeaders
    body_class = TargetedBody
    success_class = TargetedSuccess
    error_class = TargetedError
    media_type = "application/x-amz-json-1.1"
    answers = {
        Outcome.SENT: Answer(200),
        Outcome.UNKNOWN: Answer(
            400, "UserNotFoundException", "Username/client id combination not found."
        ),
        Outcome.CONFIRMED: Answer(400, "InvalidParameterException", "User is already confirmed."),
        Outcome.BLOCKED: Answer(400, "NotAuthorizedException", "User is disabled."),
        Outcome.COOLING_DOWN: LIMIT,
        Refusal.INVALID: BAD_PARAMETER,
        (Refusal.INVALID, "X-Amz-Target"): Answer(400, "UnknownOperationException"),
        Refusal.MALFORMED: BAD_JSON,
        Refusal.TOO_LARGE: Answer(413, "RequestEntityTooLargeException", "The body is too large."),
        Refusal.UNKNOWN_CLIENT: Answer(
            400, "ResourceNotFoundException", "User pool client does not exist."
        ),
        Refusal.NOT_ENABLED: Answer(
            400, "NotAuthorizedException", "The user pool needs no confirmation."
        ),
        Refusal.REDIRECT_REQUIRED: BAD_PARAMETER,
        Refusal.REDIRECT_NOT_ALLOWED: BAD_PARAMETER,
        Refusal.THROTTLED: Answer(400, "TooManyRequestsException", "Too many requests."),
        Refusal.WRONG_METHOD: Answer(405, "UnknownOperationException"),
        Refusal.FAILED: Answer(500, "InternalErrorException", "Something went wrong."),
    }
    operation = Operation(
        id="ResendConfirmationCode", summary="Resend the confirmation", documented=(200, 400, 500)
    )

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """Find the client by the id in the body."""
        return clients.by_id(self.dialect, values["client"])

    def success_body(self, answer: Answer, result: Result) -> Mapping[str, Any]:
        """Return the masked identity; the account's address would reveal that it exists."""
        name, _, domain = result.identity.partition("@")
        return {
            "CodeDeliveryDetails": {
                "AttributeName": "email",
                "DeliveryMedium": "EMAIL",
                "Destination": f"{name[:1]}***@{domain[:1]}***",
            }
        }

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Mapping[str, Any]:
        """Return the type and the text."""
        return {"__type": answer.code, "message": answer.message}


urlpatterns = [*routes("", TargetedResend, "targeted")]

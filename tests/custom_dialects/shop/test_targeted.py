"""An operation named in a header, and a separate media type."""

import json
from dataclasses import replace
from typing import Any

import pytest

from resend_confirmation.outcomes import Outcome, Refusal
from resend_confirmation.testing.dialects import (
    ADDRESS,
    Case,
    Document,
    Endings,
    Request,
    Site,
    expected,
)
from shop.targeted import TargetedResend

MEDIA_TYPE = "application/x-amz-json-1.1"
IDS = {"game": "1h57kf5cpq17m0eml12EXAMPLE", "kiosk": "kiosk", None: "nobody"}
CLIENTS: list[dict[str, Any]] = [
    {"name": "game", "ids": {"targeted": IDS["game"]}},
    {"name": "kiosk", "ids": {"targeted": IDS["kiosk"]}, "required": False},
]
TARGET = "AWSCognitoIdentityProviderService.ResendConfirmationCode"


def request_for(identity, client="game"):
    """A good request."""
    return Request(
        path="/",
        body=json.dumps({"Username": identity, "ClientId": IDS[client]}).encode(),
        content_type=MEDIA_TYPE,
        headers={"X-Amz-Target": TARGET},
    )


def answers(status, body, headers=None):
    """The envelope of success, in the vendor's media type."""
    return expected(status, body, headers, MEDIA_TYPE)


LIMIT = (
    b'{"__type":"LimitExceededException",'
    b'"message":"Attempt limit exceeded, please try after some time."}'
)
BAD_PARAMETER = answers(
    400, b'{"__type":"InvalidParameterException","message":"1 validation error detected."}'
)
BAD_JSON = answers(
    400, b'{"__type":"SerializationException","message":"The body is not a JSON object."}'
)
UNKNOWN_OPERATION = b'{"__type":"UnknownOperationException","message":""}'
CASE = Case(
    name="targeted",
    view=TargetedResend,
    request_for=request_for,
    field="Username",
    names_client=True,
    clients=CLIENTS,
    endings={
        Outcome.SENT: answers(
            200,
            b'{"CodeDeliveryDetails":{"AttributeName":"email","DeliveryMedium":"EMAIL",'
            b'"Destination":"p***@e***"}}',
        ),
        Outcome.UNKNOWN: answers(
            400,
            b'{"__type":"UserNotFoundException",'
            b'"message":"Username/client id combination not found."}',
        ),
        Outcome.CONFIRMED: answers(
            400, b'{"__type":"InvalidParameterException","message":"User is already confirmed."}'
        ),
        Outcome.BLOCKED: answers(
            400, b'{"__type":"NotAuthorizedException","message":"User is disabled."}'
        ),
        Outcome.COOLING_DOWN: answers(400, LIMIT, {"Retry-After": "45"}),
        Refusal.INVALID: BAD_PARAMETER,
        Refusal.MALFORMED: BAD_JSON,
        Refusal.TOO_LARGE: answers(
            413, b'{"__type":"RequestEntityTooLargeException","message":"The body is too large."}'
        ),
        Refusal.UNKNOWN_CLIENT: answers(
            400,
            b'{"__type":"ResourceNotFoundException","message":"User pool client does not exist."}',
        ),
        Refusal.NOT_ENABLED: answers(
            400,
            b'{"__type":"NotAuthorizedException","message":"The user pool needs no confirmation."}',
        ),
        Refusal.REDIRECT_REQUIRED: BAD_PARAMETER,
        Refusal.REDIRECT_NOT_ALLOWED: BAD_PARAMETER,
        Refusal.THROTTLED: answers(
            400,
            b'{"__type":"TooManyRequestsException","message":"Too many requests."}',
            {"Retry-After": "37"},
        ),
        Refusal.WRONG_METHOD: answers(405, UNKNOWN_OPERATION, {"Allow": "POST"}),
        Refusal.FAILED: answers(
            500, b'{"__type":"InternalErrorException","message":"Something went wrong."}'
        ),
    },
    faults=dict.fromkeys(
        (
            *("empty", "blank", "missing", "null", "over-long", "NUL", "a line break"),
            *("a lone surrogate", "a number", "an object", "given twice"),
        ),
        BAD_PARAMETER,
    )
    | dict.fromkeys(
        ("cut off", "no object", "not UTF-8", "unmarked UTF-16", "too deep", "no JSON number"),
        BAD_JSON,
    ),
)


class TestTargeted(Endings, Document):
    """A header that names the operation and a separate media type keep the contract."""

    cases = [CASE]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Amz-Target": ""},
        {"X-Amz-Target": "AWSCognitoIdentityProviderService.ConfirmSignUp"},
        {"X-Amz-Target": f"{TARGET},{TARGET}"},
        {"X-Amz-Target": TARGET.lower()},
    ],
    ids=str,
)
def test_another_operation(headers, db, settings, monkeypatch):
    """A missing or unknown operation is refused as such, by the narrower row."""
    site = Site(settings, monkeypatch)
    site.configure_site(CASE)
    site.pending()
    with site.assert_unchanged():
        reply = site.reply(replace(request_for(ADDRESS), headers=headers))
    assert reply == answers(400, UNKNOWN_OPERATION)

"""quiva.ai: every ending, the answer for all addresses, and the redirect."""

import json
from dataclasses import replace

import pytest

from resend_confirmation.dialects.quiva import QuivaResend
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import (
    ENDINGS,
    ConfirmationState,
    DeliveryState,
    Outcome,
    Reason,
    Refusal,
)
from tests.factories import PendingFactory

from .cases import ADDRESS, Case, Endings, Request, expected


def request_for(identity, client="game"):
    body = json.dumps({"email": identity}).encode()
    return Request(path="/accounts/resend-confirmation", body=body)


SUCCESS = expected(
    200,
    b'{"data":{"message":"Please check your inbox. If a root account is associated with this '
    b'email and remains unconfirmed, a reconfirmation message should have been sent."}}',
)
REQUIRED = expected(400, b'{"error":"Email is required"}')
NOT_VALID = expected(400, b'{"error":"Email is not valid"}')
NO_JSON = expected(400, b'{"error":"Request body is not valid JSON"}')
ANSWERS: Endings = {
    Outcome.SENT: SUCCESS,
    Outcome.UNKNOWN: SUCCESS,
    Outcome.CONFIRMED: SUCCESS,
    Outcome.BLOCKED: SUCCESS,
    Outcome.COOLING_DOWN: SUCCESS,
    Refusal.INVALID: NOT_VALID,
    Refusal.MALFORMED: NO_JSON,
    Refusal.TOO_LARGE: expected(413, b'{"error":"Request body is too large"}'),
    Refusal.UNKNOWN_CLIENT: SUCCESS,
    Refusal.NOT_ENABLED: SUCCESS,
    Refusal.REDIRECT_REQUIRED: SUCCESS,
    Refusal.REDIRECT_NOT_ALLOWED: SUCCESS,
    Refusal.THROTTLED: expected(
        429,
        b'{"error":"Rate limit exceeded","message":"Too many requests. Please try again later",'
        b'"retry_after":37}',
        {"Retry-After": "37"},
    ),
    Refusal.WRONG_METHOD: expected(405, b'{"error":"Method not allowed"}', {"Allow": "POST"}),
    Refusal.FAILED: expected(500, b'{"error":"An unexpected error occurred"}'),
}
FAULTS = {
    "missing": REQUIRED,
    "empty": REQUIRED,
    "blank": NOT_VALID,
    "null": REQUIRED,
    "over-long": NOT_VALID,
    "NUL": NOT_VALID,
    "a line break": NOT_VALID,
    "a lone surrogate": NOT_VALID,
    "a number": NOT_VALID,
    "an object": NOT_VALID,
    "given twice": NOT_VALID,
    "cut off": NO_JSON,
    "no object": NO_JSON,
    "not UTF-8": NO_JSON,
    "unmarked UTF-16": NO_JSON,
    "too deep": NO_JSON,
    "no JSON number": NO_JSON,
}
QUIVA = Case(
    name="quiva",
    view=QuivaResend,
    request_for=request_for,
    endings=ANSWERS,
    faults=FAULTS,
    field="email",
)
CASES = [QUIVA]


@pytest.mark.parametrize("ending", ENDINGS, ids=str)
def test_ending(ending, arrange, reply):
    """Each ending has exactly the vendor's status, headers and body."""
    assert reply(arrange(QUIVA, ending)) == ANSWERS[ending]


@pytest.mark.parametrize("body", [b"{}", b'{"email": ""}', b'{"email": null}', b"", b"[]"])
def test_email_is_required(body, reply, pending, assert_unchanged):
    """A missing address has its own error."""
    with assert_unchanged():
        assert reply(replace(request_for(""), body=body)) == REQUIRED


@pytest.mark.parametrize(
    "email",
    [
        "pending",
        "pending@",
        "@example.com",
        "a@example.com,b@example.com",
        "a@b@example.com",
        "A <pending@example.com>",
        "pending @example.com",
        "pending@exa mple.com",
        "pending@example.com\nBcc: x@example.com",
        7001,
        True,
        ["pending@example.com"],
        {"address": "pending@example.com"},
    ],
)
def test_email_is_not_valid(email, reply, pending, assert_unchanged):
    """Any input that is not exactly one address is refused."""
    with assert_unchanged():
        assert reply(request_for(email)) == NOT_VALID


@pytest.mark.parametrize("email", ["PENDING@Example.com", " pending@example.com "])
def test_address_in_another_form(email, reply, pending, delivered):
    """The message is sent to the address as stored."""
    assert reply(request_for(email)) == SUCCESS
    (message,) = delivered()
    assert message.to == [ADDRESS]


def test_other_fields(reply, pending, delivered):
    """Other fields, even repeated ones, and all parameters are ignored."""
    body = b'{"token": 1, "token": 2, "locale": "de", "email": "pending@example.com"}'
    assert reply(replace(request_for(""), body=body, query="email=x&locale=de")) == SUCCESS
    assert len(delivered()) == 1


def test_credentials_mean_nothing(reply, pending, delivered):
    """A stale key or token is ignored."""
    headers = {"X-Api-Key": "stale", "Authorization": "Bearer stale"}
    assert reply(replace(request_for(ADDRESS), headers=headers)) == SUCCESS
    assert len(delivered()) == 1


@pytest.mark.parametrize(
    ("ending", "state", "reason"),
    [
        (Outcome.SENT, DeliveryState.SENT, Reason.NONE),
        (Outcome.UNKNOWN, DeliveryState.IGNORED, Reason.UNKNOWN),
        (Outcome.CONFIRMED, DeliveryState.IGNORED, Reason.CONFIRMED),
        (Outcome.BLOCKED, DeliveryState.IGNORED, Reason.BLOCKED),
        (Outcome.COOLING_DOWN, DeliveryState.IGNORED, Reason.COOLING_DOWN),
        (Refusal.NOT_ENABLED, DeliveryState.IGNORED, Reason.NOT_ENABLED),
    ],
    ids=str,
)
def test_only_staff_see_the_result(ending, state, reason, arrange, send, delivered):
    """The courier resolves the request, so only staff see the result; the identity is erased."""
    send(arrange(QUIVA, ending))
    messages = delivered()
    delivery = Delivery.objects.latest("pk")
    assert (delivery.state, delivery.reason, delivery.identity) == (state, reason, "")
    assert [message.to for message in messages] == ([[ADDRESS]] if ending is Outcome.SENT else [])


def test_mail_failure(reply, pending, delivered, monkeypatch):
    """A failure of the mail server does not change the answers."""
    PendingFactory(username="other", email="other@example.com")
    assert reply(request_for(ADDRESS)) == SUCCESS
    monkeypatch.setattr("resend_confirmation.email_backend.connection._make_backend", _no_server)
    assert delivered() == []
    assert reply(request_for(ADDRESS)) == reply(request_for("other@example.com")) == SUCCESS


def _no_server():
    raise ConnectionRefusedError


def test_landing(reply, pending, delivered, press):
    """The click redirects to the default client's URL, without parameters."""
    reply(request_for(ADDRESS))
    response = press(delivered()[0])
    assert (response.status_code, response["Location"]) == (303, "https://game.example/callback")
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED

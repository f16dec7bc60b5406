"""Tests of Acme Login: the contract of dialects, and a rule of its own."""

import json
from typing import Any
from urllib.parse import urlencode

from resend_confirmation.outcomes import Outcome, Refusal
from resend_confirmation.testing.dialects import ADDRESS, Case, DialectContract, Request, expected
from shop.acme import AcmeResend

REALMS = {"game": "north", "kiosk": "south", None: "nowhere"}
CLIENTS: list[dict[str, Any]] = [
    {"name": "game", "ids": {"acme": "north"}},
    {"name": "kiosk", "ids": {"acme": "south"}, "required": False},
]


def request_for(identity, client="game"):
    """Return a valid request."""
    query = urlencode({"realm": REALMS[client]})
    body = json.dumps({"login": identity}).encode()
    return Request(path="/v1/accounts/resend", query=query, body=body)


QUEUED = expected(202, b'{"state":"queued"}')
WAIT = b'{"errors":[{"id":"wait","title":"Please wait"}]}'
INPUT = expected(422, b'{"errors":[{"id":"input","title":"Input is not valid"}]}')
LOGIN = expected(422, b'{"errors":[{"id":"login","title":"Who are you?"}]}')
JSON = expected(400, b'{"errors":[{"id":"json","title":"Body is not JSON"}]}')

CASE = Case(
    name="acme",
    view=AcmeResend,
    request_for=request_for,
    field="login",
    names_client=True,
    clients=CLIENTS,
    endings={
        Outcome.SENT: QUEUED,
        Outcome.UNKNOWN: QUEUED,
        Outcome.CONFIRMED: expected(
            409, b'{"errors":[{"id":"confirmed","title":"Already confirmed"}]}'
        ),
        Outcome.BLOCKED: expected(
            403, b'{"errors":[{"id":"blocked","title":"Account is blocked"}]}'
        ),
        # After 15 seconds of a cooldown of 60, and after 23 of the throttle's minute.
        Outcome.COOLING_DOWN: expected(429, WAIT, {"Retry-After": "45"}),
        Refusal.THROTTLED: expected(429, WAIT, {"Retry-After": "37"}),
        Refusal.INVALID: INPUT,
        Refusal.MALFORMED: JSON,
        Refusal.TOO_LARGE: expected(413, b'{"errors":[{"id":"size","title":"Body is too large"}]}'),
        Refusal.UNKNOWN_CLIENT: expected(
            404, b'{"errors":[{"id":"realm","title":"No such realm"}]}'
        ),
        Refusal.NOT_ENABLED: expected(
            403, b'{"errors":[{"id":"off","title":"Realm needs no confirmation"}]}'
        ),
        Refusal.REDIRECT_REQUIRED: INPUT,
        Refusal.REDIRECT_NOT_ALLOWED: INPUT,
        Refusal.WRONG_METHOD: expected(
            405, b'{"errors":[{"id":"method","title":"Use POST"}]}', {"Allow": "POST"}
        ),
        Refusal.FAILED: expected(
            500, b'{"errors":[{"id":"crash","title":"Something went wrong"}]}'
        ),
    },
    faults={
        "empty": LOGIN,
        "blank": INPUT,
        "missing": LOGIN,
        "null": LOGIN,
        "over-long": INPUT,
        "NUL": INPUT,
        "a line break": INPUT,
        "a lone surrogate": INPUT,
        "a number": INPUT,
        "an object": INPUT,
        "given twice": INPUT,
        "cut off": JSON,
        "no object": JSON,
        "not UTF-8": JSON,
        "unmarked UTF-16": JSON,
        "too deep": JSON,
        "no JSON number": JSON,
    },
)


class TestAcme(DialectContract):
    """Acme Login passes the contract."""

    cases = [CASE]


def test_realm_is_needed(client):
    """Without a realm the input is not valid."""
    body = json.dumps({"login": ADDRESS})
    answer = client.post("/v1/accounts/resend", body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.content == b'{"errors":[{"id":"input","title":"Input is not valid"}]}'

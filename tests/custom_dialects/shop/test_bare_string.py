"""Success and errors that are bare JSON strings, in a table that tells nothing."""

import json

from resend_confirmation.outcomes import Outcome, Refusal
from resend_confirmation.testing.dialects import Case, Document, Endings, Request, expected
from shop.bare_string import BareStringResend

CLIENTS = [{"name": "game", "default": True}, {"name": "kiosk", "required": False}]


def request_for(identity, client="game"):
    """A good request, which names no client."""
    return Request(path="/v2/resend", body=json.dumps({"email": identity}).encode())


OK = expected(200, b'"OK"')
NOT_AN_ADDRESS = expected(400, b'"Not an e-mail address"')
NOT_JSON = expected(400, b'"Not JSON"')
CASE = Case(
    name="bare-string",
    view=BareStringResend,
    request_for=request_for,
    field="email",
    clients=CLIENTS,
    endings={
        Outcome.SENT: OK,
        Outcome.UNKNOWN: OK,
        Outcome.CONFIRMED: OK,
        Outcome.BLOCKED: OK,
        Outcome.COOLING_DOWN: OK,
        Refusal.INVALID: NOT_AN_ADDRESS,
        Refusal.MALFORMED: NOT_JSON,
        Refusal.TOO_LARGE: expected(413, b'"Too large"'),
        Refusal.UNKNOWN_CLIENT: expected(403, b'"Not here"'),
        Refusal.NOT_ENABLED: OK,
        Refusal.REDIRECT_REQUIRED: NOT_AN_ADDRESS,
        Refusal.REDIRECT_NOT_ALLOWED: NOT_AN_ADDRESS,
        Refusal.THROTTLED: expected(429, b'"Too many"', {"Retry-After": "37"}),
        Refusal.WRONG_METHOD: expected(405, b'"Not so"', {"Allow": "POST"}),
        Refusal.FAILED: expected(500, b'"Failed"'),
    },
    faults=dict.fromkeys(
        (
            *("empty", "blank", "missing", "null", "over-long", "NUL", "a line break"),
            *("a lone surrogate", "a number", "an object", "given twice"),
        ),
        NOT_AN_ADDRESS,
    )
    | dict.fromkeys(
        ("cut off", "no object", "not UTF-8", "unmarked UTF-16", "too deep", "no JSON number"),
        NOT_JSON,
    ),
)


class TestBareString(Endings, Document):
    """Bare strings keep the contract."""

    cases = [CASE]

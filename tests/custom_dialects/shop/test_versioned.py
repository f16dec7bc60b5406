"""Two envelopes, of which a header of the request chooses one, for every ending alike."""

import json
from dataclasses import replace

import pytest

from resend_confirmation.dialects.base.declarations import missing_rows
from resend_confirmation.outcomes import Outcome, Refusal
from resend_confirmation.testing.dialects import (
    ADDRESS,
    Answers,
    Case,
    Document,
    Endings,
    Request,
    Site,
    expected,
)
from resend_confirmation.testing.dialects.document import document
from shop.versioned import VersionedFirst, VersionedSecond

CLIENTS = [{"name": "game", "default": True}, {"name": "kiosk", "required": False}]
PROBLEM = "application/problem+json"


def asking(headers):
    """Good requests with these headers, which name no client."""

    def request_for(identity, client="game"):
        body = json.dumps({"user": identity}).encode()
        return Request(path="/user/confirmation", body=body, headers=headers)

    return request_for


def faults_of(invalid):
    """This vendor has one answer for all that can be wrong with a body."""
    return dict.fromkeys(
        (
            *("empty", "blank", "missing", "null", "over-long", "NUL", "a line break"),
            *("a lone surrogate", "a number", "an object", "given twice", "cut off"),
            *("no object", "not UTF-8", "unmarked UTF-16", "too deep", "no JSON number"),
        ),
        invalid,
    )


FIRST_WAIT = b'{"ok":false,"error":"wait"}'
FIRST_INVALID = expected(400, b'{"ok":false,"error":"invalid"}')
FIRST_ENDINGS: Answers = {
    Outcome.SENT: expected(202, b'{"ok":true}'),
    Outcome.UNKNOWN: expected(404, b'{"ok":false,"error":"unknown"}'),
    Outcome.CONFIRMED: expected(409, b'{"ok":false,"error":"confirmed"}'),
    Outcome.BLOCKED: expected(403, b'{"ok":false,"error":"blocked"}'),
    Outcome.COOLING_DOWN: expected(429, FIRST_WAIT, {"Retry-After": "45"}),
    Refusal.INVALID: FIRST_INVALID,
    Refusal.MALFORMED: FIRST_INVALID,
    Refusal.TOO_LARGE: expected(413, b'{"ok":false,"error":"size"}'),
    Refusal.UNKNOWN_CLIENT: expected(401, b'{"ok":false,"error":"client"}'),
    Refusal.NOT_ENABLED: expected(403, b'{"ok":false,"error":"off"}'),
    Refusal.REDIRECT_REQUIRED: FIRST_INVALID,
    Refusal.REDIRECT_NOT_ALLOWED: FIRST_INVALID,
    Refusal.THROTTLED: expected(429, FIRST_WAIT, {"Retry-After": "37"}),
    Refusal.WRONG_METHOD: expected(405, b'{"ok":false,"error":"method"}', {"Allow": "POST"}),
    Refusal.FAILED: expected(500, b'{"ok":false,"error":"failed"}'),
}


def problem(status, name, title, headers=None):
    """An error of the second kind."""
    body = (
        f'{{"type":"https://vendor.example/problems/{name}","title":"{title}","status":{status}}}'
    )
    return expected(status, body.encode(), headers, PROBLEM)


SECOND_INVALID = problem(400, "invalid", "Something is wrong with the request")
SECOND_ENDINGS: Answers = {
    Outcome.SENT: expected(202, b'{"data":{"status":"queued"}}'),
    Outcome.UNKNOWN: problem(404, "unknown", "Nobody has this name"),
    Outcome.CONFIRMED: problem(409, "confirmed", "Already confirmed"),
    Outcome.BLOCKED: problem(403, "blocked", "The account is blocked"),
    Outcome.COOLING_DOWN: problem(429, "wait", "Wait a little", {"Retry-After": "45"}),
    Refusal.INVALID: SECOND_INVALID,
    Refusal.MALFORMED: SECOND_INVALID,
    Refusal.TOO_LARGE: problem(413, "size", "The request is too large"),
    Refusal.UNKNOWN_CLIENT: problem(401, "client", "There is no such client"),
    Refusal.NOT_ENABLED: problem(403, "off", "Nothing needs to be confirmed here"),
    Refusal.REDIRECT_REQUIRED: SECOND_INVALID,
    Refusal.REDIRECT_NOT_ALLOWED: SECOND_INVALID,
    Refusal.THROTTLED: problem(429, "wait", "Wait a little", {"Retry-After": "37"}),
    Refusal.WRONG_METHOD: problem(405, "method", "Use POST", {"Allow": "POST"}),
    Refusal.FAILED: problem(500, "failed", "Something went wrong"),
}
FIRST = Case(
    name="versioned, first",
    view=VersionedFirst,
    request_for=asking({}),
    field="user",
    clients=CLIENTS,
    endings=FIRST_ENDINGS,
    faults=faults_of(FIRST_INVALID),
)
SECOND = Case(
    name="versioned, second",
    view=VersionedSecond,
    request_for=asking({"Api-Version": "2"}),
    field="user",
    clients=CLIENTS,
    endings=SECOND_ENDINGS,
    faults=faults_of(SECOND_INVALID),
)


class TestVersioned(Endings, Document):
    """Both envelopes keep the contract."""

    cases = [FIRST, SECOND]


@pytest.fixture
def site(db, settings, monkeypatch):
    """The host's site."""
    site = Site(settings, monkeypatch)
    site.configure_site(FIRST)
    return site


def test_the_first_by_its_name(site):
    """The first envelopes are used if the header names them, too."""
    site.pending()
    request = replace(FIRST.request_for(ADDRESS), headers={"api-version": "1"})
    assert site.reply(request) == FIRST_ENDINGS[Outcome.SENT]


@pytest.mark.parametrize("version", ["3", "", "2,2", "1,2"])
def test_another_version(version, site):
    """An unknown version is refused, in the first envelope."""
    site.pending()
    with site.assert_unchanged():
        refused = site.reply(replace(FIRST.request_for(ADDRESS), headers={"Api-Version": version}))
    assert refused == expected(400, b'{"ok":false,"error":"version"}')


def test_missing_row():
    """A table without a row for an ending is rejected."""
    short = dict(VersionedFirst.answers)
    del short[Outcome.BLOCKED]
    assert missing_rows(short) == [Outcome.BLOCKED]


def test_both_count_for_one_throttle(site):
    """Requests in both versions share one throttle."""
    assert site.clock.epoch
    site.configure(THROTTLE="2/m")
    for request in (FIRST.request_for("\x07"), SECOND.request_for("\x07")):
        assert site.reply(request).status == 400
    assert site.reply(SECOND.request_for("\x07")).status == 429


def test_document_has_both(site):
    """The document has one operation, with both types of errors and the header that chooses."""
    made = document()
    operation = made["paths"]["/user/confirmation"]["post"]
    (parameter,) = operation["parameters"]
    assert (parameter["in"], parameter["name"]) == ("header", "Api-Version")
    assert parameter["schema"]["enum"] == ["1", "2"]
    assert "required" not in parameter
    success = operation["responses"]["202"]["content"]
    assert success == {
        "application/json": {
            "schema": {
                "oneOf": [
                    {"$ref": "#/components/schemas/VersionedFirstSuccess"},
                    {"$ref": "#/components/schemas/VersionedSecondSuccess"},
                ]
            }
        }
    }
    assert operation["responses"]["404"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/VersionedFirstError"}},
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/VersionedProblem"}},
    }

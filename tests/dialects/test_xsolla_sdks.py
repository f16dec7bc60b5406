"""Answers as the vendor's SDKs read them; ``test_shipped_requests`` has their requests."""

import pytest

from resend_confirmation.dialects.xsolla import DEAD_LINKS
from resend_confirmation.outcomes import ENDINGS, Outcome, Refusal

from . import xsolla_sdks as sdks
from .test_xsolla import JWT_ENDINGS, OAUTH2_ENDINGS

ALREADY = "User account is already confirmed."
#: For each ending, the error's type in Unity and its case in iOS.
READ_AS = {
    Outcome.UNKNOWN: ("UnknownError", "notFound"),
    Outcome.CONFIRMED: ("UnknownError", "parameters"),
    Outcome.BLOCKED: ("UnknownError", "parameters"),
    Outcome.COOLING_DOWN: ("UnknownError", "tooManyRequests"),
    Refusal.INVALID: ("InvalidProjectSettings", "badRequest"),
    Refusal.MALFORMED: ("InvalidProjectSettings", "badRequest"),
    Refusal.TOO_LARGE: ("InvalidProjectSettings", "unknown"),
    Refusal.UNKNOWN_CLIENT: ("UnknownError", "badRequest"),
    Refusal.NOT_ENABLED: ("UnknownError", "parameters"),
    Refusal.REDIRECT_REQUIRED: ("MultipleLoginUrlsException", "parameters"),
    Refusal.REDIRECT_NOT_ALLOWED: ("SubmittedLoginUrlNotFoundException", "parameters"),
    Refusal.THROTTLED: ("UnknownError", "tooManyRequests"),
    Refusal.WRONG_METHOD: ("MethodIsNotAllowed", "methodNotAllowed"),
    Refusal.FAILED: ("UnknownError", "unknown"),
}
TABLES = {
    "OAuth 2.0": (OAUTH2_ENDINGS, READ_AS),
    "JWT": (
        JWT_ENDINGS,
        READ_AS | {Refusal.UNKNOWN_CLIENT: ("InvalidProjectSettings", "notFound")},
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_read_by_every_sdk(table):
    """Each SDK reads code and text of each error, as far as it supports them."""
    replies, read_as = TABLES[table]
    for ending in ENDINGS:
        reply = replies[ending]
        read = {reader: reader(reply.status, reply.body) for reader in sdks.READERS}
        if ending is Outcome.SENT:
            assert set(read.values()) == {sdks.SENT}
            continue
        code, text = read[sdks.unreal]
        assert code, ending
        assert text, ending
        unity_type, ios_case = read_as[ending]
        assert read[sdks.unity] == read[sdks.old_unity] == (unity_type, code, text), ending
        assert read[sdks.cocos] == (code, text), ending
        assert read[sdks.widget] == code, ending
        assert read[sdks.old_android] == text, ending
        if ending is not Refusal.FAILED:
            assert read[sdks.android] == text, ending
        case, shown, number = read[sdks.ios]
        assert case == ios_case, ending
        assert (shown, number) in {(text, int(code.replace("-", ""))), ("", 0)}, ending
        assert bool(shown) == (case not in {"unknown", "tooManyRequests"}), ending


@pytest.mark.parametrize("table", TABLES)
def test_already_confirmed(table):
    """The SDKs read code and text of the error for a confirmed account."""
    reply = TABLES[table][0][Outcome.CONFIRMED]
    assert sdks.unity(reply.status, reply.body) == ("UnknownError", "003-409", ALREADY)
    assert sdks.ios(reply.status, reply.body) == ("parameters", ALREADY, 3409)
    assert sdks.android(reply.status, reply.body) == ALREADY


def test_codes_at_the_landing():
    """Unity reads the error codes of links that do not confirm."""
    types = {
        verdict.value: sdks.UNITY_TYPES.get(
            sdks.at_the_landing(f"/?error_code={code}")["error_code"]
        )
        for verdict, (code, _) in DEAD_LINKS.items()
    }
    assert types == {"already": None, "expired": "InvalidToken", "dead": None}

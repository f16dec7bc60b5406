"""Every answer as the vendor's SDKs read it; their requests are in ``test_shipped_requests``."""

import pytest

from resend_confirmation.dialects.xsolla import DEAD_LINKS
from resend_confirmation.outcomes import ENDINGS, Outcome, Refusal

from . import xsolla_sdks as sdks
from .test_xsolla import JWT_ENDINGS, OAUTH2_ENDINGS

ALREADY = "User account is already confirmed."
#: The values that Unity passes on as the type, and iOS as the case; None if both lack the text.
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
    """Each error reaches the game with its code and text, as far as the SDK hands them on."""
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
    """The error of a confirmed account is not mistaken for another, and its text is shown."""
    reply = TABLES[table][0][Outcome.CONFIRMED]
    assert sdks.unity(reply.status, reply.body) == ("UnknownError", "003-409", ALREADY)
    assert sdks.ios(reply.status, reply.body) == ("parameters", ALREADY, 3409)
    assert sdks.android(reply.status, reply.body) == ALREADY


def test_codes_at_the_landing():
    """The code of a dead link fits the characters that Unity reads, and its own table."""
    types = {
        verdict.value: sdks.UNITY_TYPES.get(
            sdks.at_the_landing(f"/?error_code={code}")["error_code"]
        )
        for verdict, (code, _) in DEAD_LINKS.items()
    }
    assert types == {"already": None, "expired": "InvalidToken", "dead": None}

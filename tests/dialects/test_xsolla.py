"""Xsolla's two dialects: every ending, redirects, parameters, and what follows the click."""

import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from django.utils import timezone

from resend_confirmation import start
from resend_confirmation.dialects.xsolla import XsollaJWTResend, XsollaOAuth2Resend
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import ENDINGS, ConfirmationState, Outcome, Refusal
from tests.factories import PendingFactory

from .cases import ADDRESS, Case, Endings, Request, expected, link_of, token_of, way_on

OAUTH2_PATH = "/api/oauth2/user/resend_confirmation_link"
JWT_PATH = "/api/user/resend_confirmation_link"

CLIENT_IDS = {"game": "57", "arcade": "58", "kiosk": "59", None: "60"}
PROJECT_IDS = {
    "game": "40db2ea4-5d42-11e6-a3ff-005056a0e04a",
    "arcade": "5b0e9c1e-77a1-4f5c-9d6a-0d1f5a3b2c58",
    "kiosk": "9f2d4a60-1111-4c59-8b59-000000000059",
    None: "00000000-0000-4000-8000-000000000000",
}
GAME = "https://game.example/callback"
GAME_SECRET = "the game's secret, known to its own servers alone, 32 bytes or more"


def _request(path: str, identity: object, parameters: dict[str, str]) -> Request:
    body = json.dumps({"username": identity}).encode()
    return Request(path=path, query=urlencode(parameters), body=body)


def oauth2_request(identity, client="game", *, redirect=None, **more):
    parameters = {"client_id": CLIENT_IDS[client], **more}
    return _request(
        OAUTH2_PATH, identity, parameters | ({"redirect_uri": redirect} if redirect else {})
    )


def jwt_request(identity, client="game", *, redirect=None, **more):
    parameters = {"projectId": PROJECT_IDS[client], **more}
    return _request(JWT_PATH, identity, parameters | ({"login_url": redirect} if redirect else {}))


def invalid(details: bytes):
    """Return the reply to invalid input, with its details."""
    return expected(
        400,
        b'{"error":{"code":"0","description":"Request has invalid parameters.",'
        b'"details":' + details + b"}}",
    )


TOO_MANY = b'{"error":{"code":"002-057","description":"Too many attempts. Try again later."}}'
OAUTH2_ENDINGS: Endings = {
    Outcome.SENT: expected(204),
    Outcome.UNKNOWN: expected(404, b'{"error":{"code":"003-002","description":"User not found."}}'),
    Outcome.CONFIRMED: expected(
        422, b'{"error":{"code":"003-409","description":"User account is already confirmed."}}'
    ),
    Outcome.BLOCKED: expected(
        422, b'{"error":{"code":"002-040","description":"This user is banned."}}'
    ),
    Outcome.COOLING_DOWN: expected(429, TOO_MANY, {"Retry-After": "45"}),
    Refusal.INVALID: expected(
        400,
        b'{"error":{"code":"0","description":"Request has invalid parameters.",'
        b'"details":{"username":["Unusable characters."]}}}',
    ),
    Refusal.MALFORMED: expected(
        400,
        b'{"error":{"code":"0","description":"Request has invalid parameters.","details":'
        b'{"body":["Expecting property name enclosed in double quotes at position 1"]}}}',
    ),
    Refusal.TOO_LARGE: expected(
        413, b'{"error":{"code":"0","description":"Request body is too large."}}'
    ),
    Refusal.UNKNOWN_CLIENT: expected(
        400, b'{"error":{"code":"010-019","description":"Client authentication failed."}}'
    ),
    Refusal.NOT_ENABLED: expected(
        422,
        b'{"error":{"code":"003-020","description":"Call unavailable for this Login project."}}',
    ),
    Refusal.REDIRECT_REQUIRED: expected(
        422,
        b'{"error":{"code":"010-011","description":'
        b'"Callback URL is not specified for a client with several callback URLs."}}',
    ),
    Refusal.REDIRECT_NOT_ALLOWED: expected(
        422,
        b'{"error":{"code":"010-012",'
        b'"description":"Callback URL is not registered for this client."}}',
    ),
    Refusal.THROTTLED: expected(429, TOO_MANY, {"Retry-After": "37"}),
    Refusal.WRONG_METHOD: expected(
        405, b'{"error":{"code":"405","description":"Method not allowed."}}', {"Allow": "POST"}
    ),
    Refusal.FAILED: expected(
        500, b'{"error":{"code":"004-001","description":"Something went wrong."}}'
    ),
}
JWT_ENDINGS: Endings = {
    **OAUTH2_ENDINGS,
    Refusal.UNKNOWN_CLIENT: expected(
        404, b'{"error":{"code":"003-061","description":"Object not found."}}'
    ),
}
FAULTS = {
    "missing": invalid(b'{"username":["This field is required."]}'),
    "empty": invalid(b'{"username":["This field may not be blank."]}'),
    "blank": invalid(b'{"username":["This field may not be blank."]}'),
    "null": invalid(b'{"username":["This field may not be null."]}'),
    "over-long": invalid(b'{"username":["Ensure this field has no more than 255 characters."]}'),
    "NUL": invalid(b'{"username":["Unusable characters."]}'),
    "a line break": invalid(b'{"username":["Unusable characters."]}'),
    "a lone surrogate": invalid(b'{"username":["Unusable characters."]}'),
    "a number": invalid(b'{"username":["Not a valid string."]}'),
    "an object": invalid(b'{"username":["Not a valid string."]}'),
    "given twice": invalid(b'{"username":["This field was given more than once."]}'),
    "cut off": invalid(b'{"body":["Expecting value at position 13"]}'),
    "no object": invalid(b'{"body":["Not an object"]}'),
    "not UTF-8": invalid(b'{"body":["Body is not valid UTF-8"]}'),
    "unmarked UTF-16": invalid(
        b'{"body":["Expecting property name enclosed in double quotes at position 1"]}'
    ),
    "too deep": invalid(b'{"body":["Nested too deeply"]}'),
    "no JSON number": invalid(b'{"body":["Body is not valid JSON"]}'),
}
OAUTH2 = Case(
    name="xsolla-oauth2",
    view=XsollaOAuth2Resend,
    request_for=oauth2_request,
    endings=OAUTH2_ENDINGS,
    faults=FAULTS,
    field="username",
    names_client=True,
)
JWT = Case(
    name="xsolla-jwt",
    view=XsollaJWTResend,
    request_for=jwt_request,
    endings=JWT_ENDINGS,
    faults=FAULTS,
    field="username",
    names_client=True,
)
CASES = [OAUTH2, JWT]

both = pytest.mark.parametrize("case", CASES, ids=str)


@both
@pytest.mark.parametrize("ending", ENDINGS, ids=str)
def test_ending(case, ending, arrange, reply):
    """Each ending has exactly the vendor's status, headers and body."""
    assert reply(arrange(case, ending)) == case.endings[ending]


# The redirect

NOT_ALLOWED = OAUTH2_ENDINGS[Refusal.REDIRECT_NOT_ALLOWED]


@both
@pytest.mark.parametrize(
    ("redirect", "place"),
    [
        ("https://arcade.example/a", "0"),
        ("https://arcade.example/b?keep=1", "1"),
        ("app://xlogin.com.example.arcade", "2"),
    ],
)
@pytest.mark.parametrize("safe", ["", ":/?="], ids=["encoded", "as some clients send it"])
def test_registered_redirect(case, redirect, place, safe, reply, pending):
    """A registered redirect is found by its exact text, whether encoded or not."""
    request = case.request_for(ADDRESS, client="arcade")
    name = {"xsolla-oauth2": "redirect_uri", "xsolla-jwt": "login_url"}[case.name]
    request = replace(request, query=f"{request.query}&{name}={quote(redirect, safe=safe)}")
    assert reply(request) == expected(204)
    assert Delivery.objects.get().redirect == place


@both
@pytest.mark.parametrize(
    "redirect",
    [
        "https://game.example/callback/",
        "https://game.example/callback?x=1",
        "https://game.example/",
        "http://game.example/callback",
        "https://GAME.example/callback",
        "https://arcade.example/a",
        "//game.example/callback",
        "javascript:alert(1)",
    ],
)
def test_other_redirect(case, redirect, reply, pending):
    """A redirect that is only similar to a registered one is not allowed."""
    assert reply(case.request_for(ADDRESS, redirect=redirect)) == NOT_ALLOWED


@both
def test_redirect_of_a_client_with_one(case, reply, pending):
    """If a client has one redirect, it is the default."""
    assert reply(case.request_for(ADDRESS)) == expected(204)
    assert Delivery.objects.get().redirect == "0"


@both
def test_redirect_of_a_client_with_none(case, reply, pending, configure):
    """A client without redirects cannot use one."""
    configure(
        CLIENTS=[{"name": "bare", "ids": {"xsolla-oauth2": 57, "xsolla-jwt": PROJECT_IDS["game"]}}]
    )
    assert reply(case.request_for(ADDRESS, redirect=GAME)) == NOT_ALLOWED
    assert reply(case.request_for(ADDRESS)) == expected(204)


# The query


def weak_state(details: bytes):
    """Return the reply to an invalid state."""
    return expected(
        400,
        b'{"error":{"code":"010-022","description":'
        b'"Parameter state is missing or too weak: it must be longer than 8 characters.",'
        b'"details":{"state":[' + details + b"]}}}",
    )


@pytest.mark.parametrize("length", [9, 512])
def test_state_is_kept(length, reply, pending):
    """A state of 9 to 512 characters is stored."""
    assert reply(oauth2_request(ADDRESS, state="s" * length)) == expected(204)
    assert Delivery.objects.get().client_state == "s" * length


@pytest.mark.parametrize(
    ("state", "details"),
    [
        ("s" * 8, b'"Ensure this field has at least 9 characters."'),
        ("s" * 513, b'"Ensure this field has no more than 512 characters."'),
        ("", b'"This field may not be blank."'),
        ("12345678\n", b'"Unusable characters."'),
        ("12345678\u2029", b'"Unusable characters."'),
        ("12345678\u200e", b'"Only printable characters are allowed."'),
    ],
    ids=["8", "513", "empty", "line break", "paragraph", "invisible"],
)
def test_state_is_refused(state, details, reply, pending, assert_unchanged):
    """A state that is too short, too long or not printable has its own error."""
    with assert_unchanged():
        assert reply(oauth2_request(ADDRESS, state=state)) == weak_state(details)


def test_state_that_is_no_utf8(reply, pending, assert_unchanged):
    """A state that is not valid UTF-8 is refused, since it could not be returned unchanged."""
    request = replace(oauth2_request(ADDRESS), query="client_id=57&state=12345678%FF")
    with assert_unchanged():
        assert reply(request) == weak_state(b'"Only printable characters are allowed."')


@both
def test_state_and_payload_belong_to_one_dialect_each(case, reply, pending):
    """The JWT dialect ignores ``state``, and the OAuth 2.0 dialect ``payload``."""
    foreign = {"xsolla-oauth2": {"payload": "x" * 3000}, "xsolla-jwt": {"state": "short"}}
    assert reply(case.request_for(ADDRESS, **foreign[case.name])) == expected(204)
    delivery = Delivery.objects.get()
    assert (delivery.client_state, delivery.payload) == ("", "")


@pytest.mark.parametrize("payload", ["p" * 2000, "", "two\nlines, ünï ☃ and\ta tab", " as is "])
def test_payload_is_kept(payload, reply, pending):
    """A payload of up to 2,000 characters is stored unchanged."""
    assert reply(jwt_request(ADDRESS, payload=payload)) == expected(204)
    assert Delivery.objects.get().payload == payload


@pytest.mark.parametrize(
    ("payload", "details"),
    [
        ("p" * 2001, b'{"payload":["Ensure this field has no more than 2000 characters."]}'),
        ("p\0", b'{"payload":["Null characters are not allowed."]}'),
        (b"p\xff", b'{"payload":["Not valid UTF-8."]}'),
        ("p\ufffd", b'{"payload":["Not valid UTF-8."]}'),
    ],
    ids=["2001", "NUL", "no UTF-8", "its mark"],
)
def test_payload_is_refused(payload, details, reply, pending, assert_unchanged):
    """A payload that is too long, or could not be returned unchanged, is refused."""
    with assert_unchanged():
        assert reply(jwt_request(ADDRESS, payload=payload)) == invalid(details)


@both
@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de_DE", "de"),
        ("de-DE", "de"),
        ("de", "de"),
        ("pt_BR", "pt-br"),
        ("xx_XX", ""),
        ("", ""),
        ("../../etc", ""),
        ("de" * 300, ""),
    ],
)
def test_locale(case, locale, language, reply, pending):
    """``locale`` sets the language; one that the site does not have is ignored."""
    assert reply(case.request_for(ADDRESS, locale=locale)) == expected(204)
    assert Delivery.objects.get().language == language


@both
def test_parameters_of_the_vendors_clients(case, reply, pending):
    """Other parameters and headers of the vendor's clients are ignored."""
    ignored = {
        "scope": "offline",
        "response_type": "code",
        "email_template": "x",
        "with_logout": "1",
        "engine": "unity",
        "engine_v": "6000",
        "sdk": "login",
        "sdk_v": "1",
        "build_platform": "Windows",
        "format": "xml",
        "username": "confirmed@example.com",
    }
    headers = {
        "X-ENGINE": "UNITY",
        "X-SDK": "LOGIN",
        "X-SDK-V": "1",
        "X-BUILD-PLATFORM": "ANDROID",
    }
    request = replace(case.request_for(ADDRESS, **ignored), headers=headers)
    assert reply(request) == expected(204)


def test_project_id_with_client_id(reply, pending):
    """The OAuth 2.0 dialect ignores ``projectId``."""
    assert reply(oauth2_request(ADDRESS, projectId="nobody's")) == expected(204)


def test_a_plus_in_the_query_is_a_space(reply, pending):
    """A plus in the query is a space."""
    request = replace(oauth2_request(ADDRESS), query="client_id=57&state=nine+long")
    assert reply(request) == expected(204)
    assert Delivery.objects.get().client_state == "nine long"


@pytest.mark.parametrize(
    ("query", "details"),
    [
        ("", b'{"client_id":["This field is required."]}'),
        ("client_id=", b'{"client_id":["A valid integer is required."]}'),
        ("client_id=game", b'{"client_id":["A valid integer is required."]}'),
        ("client_id=5_7", b'{"client_id":["A valid integer is required."]}'),
        ("client_id=57.0", b'{"client_id":["A valid integer is required."]}'),
        ("client_id=%2B57", b'{"client_id":["A valid integer is required."]}'),
        ("client_id=+57", b'{"client_id":["A valid integer is required."]}'),
        ("client_id=%D9%A5%D9%A7", b'{"client_id":["A valid integer is required."]}'),
        ("client_id=" + "5" * 2000, b'{"client_id":["String value too large."]}'),
        ("client_id=57&client_id=57", b'{"client_id":["This field was given more than once."]}'),
        (
            "client_id=57&redirect_uri=%00",
            b'{"redirect_uri":["Null characters are not allowed."]}',
        ),
        (
            "client_id=57&redirect_uri=a&redirect_uri=b",
            b'{"redirect_uri":["This field was given more than once."]}',
        ),
        ("client_id=57" + "&x=1" * 1000, b'{"query":["Too many parameters"]}'),
    ],
    ids=[
        *("none", "empty", "a word", "Python's", "a decimal", "signed", "with a space", "Arabic"),
        *("huge", "twice", "NUL", "redirect twice", "1,000 others"),
    ],
)
def test_bad_query_oauth2(query, details, reply, pending, assert_unchanged):
    """``details`` has the invalid parameter of the OAuth 2.0 dialect."""
    with assert_unchanged():
        assert reply(replace(oauth2_request(ADDRESS), query=query)) == invalid(details)


@pytest.mark.parametrize(
    ("query", "details"),
    [
        ("", b'{"projectId":["This field is required."]}'),
        ("projectid=" + PROJECT_IDS["game"], b'{"projectId":["This field is required."]}'),
        ("projectId=", b'{"projectId":["This field may not be blank."]}'),
        ("projectId=%00", b'{"projectId":["Unusable characters."]}'),
        ("projectId=a&projectId=b", b'{"projectId":["This field was given more than once."]}'),
    ],
    ids=["none", "small letters", "empty", "NUL", "twice"],
)
def test_bad_query_jwt(query, details, reply, pending, assert_unchanged):
    """``details`` has the invalid parameter of the JWT dialect."""
    with assert_unchanged():
        assert reply(replace(jwt_request(ADDRESS), query=query)) == invalid(details)


@pytest.mark.parametrize("client_id", ["58000000000000000000", "-57", "0"])
def test_unknown_client_id(client_id, reply, pending, assert_unchanged):
    """Another number is an unknown client."""
    request = replace(oauth2_request(ADDRESS), query=f"client_id={client_id}")
    with assert_unchanged():
        assert reply(request) == OAUTH2_ENDINGS[Refusal.UNKNOWN_CLIENT]


@pytest.mark.parametrize(
    "project_id", ["57", PROJECT_IDS["game"].upper(), f" {PROJECT_IDS['game']}", "ключ", "'--"]
)
def test_unknown_project_id(project_id, reply, pending, assert_unchanged):
    """Another string is an unknown project."""
    request = replace(jwt_request(ADDRESS), query=urlencode({"projectId": project_id}))
    with assert_unchanged():
        assert reply(request) == JWT_ENDINGS[Refusal.UNKNOWN_CLIENT]


def test_several_faults_at_once(reply, pending, assert_unchanged):
    """All errors are reported together; the first one determines the code."""
    request = replace(oauth2_request(ADDRESS), query="state=short", body=b"{}")
    with assert_unchanged():
        assert reply(request) == invalid(
            b'{"client_id":["This field is required."],'
            b'"state":["Ensure this field has at least 9 characters."],'
            b'"username":["This field is required."]}'
        )


# The identity


@both
@pytest.mark.parametrize("identity", ["pending", ADDRESS, "PENDING@Example.COM", " pending "])
def test_identity(case, identity, reply, pending, delivered):
    """An account is found by its user name, or by its address in any case."""
    assert reply(case.request_for(identity)) == expected(204)
    (message,) = delivered()
    assert message.to == [ADDRESS]


@both
def test_user_name_of_255_characters(case, reply):
    """A user name of 255 characters is not too long."""
    assert reply(case.request_for("u" * 255)) == OAUTH2_ENDINGS[Outcome.UNKNOWN]


@both
def test_other_fields(case, reply, pending, delivered):
    """Other fields of the body are ignored, even repeated ones."""
    body = b'{"email": "x@example.com", "x": 1, "x": [{}], "username": "pending"}'
    assert reply(replace(case.request_for(""), body=body)) == expected(204)
    assert len(delivered()) == 1


# After the click


def issue_code(account, client, redirect, state):
    """Return a code that shows the arguments."""
    return f"{account.username}-{client.name}-{len(redirect)}-{state}"


def test_landing_oauth2(reply, pending, delivered, press):
    """Without an issuer the redirect has the state but no code."""
    reply(oauth2_request(ADDRESS, state="abc.DEF-123_x"))
    response = press(delivered()[0])
    assert (response.status_code, response["Location"]) == (
        303,
        "https://game.example/callback?state=abc.DEF-123_x",
    )
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED


def test_landing_oauth2_with_a_code(reply, pending, delivered, press, configure):
    """With an issuer the redirect has its code."""
    configure(AUTHORIZATION_CODE_ISSUER="tests.dialects.test_xsolla.issue_code")
    reply(oauth2_request(ADDRESS, state="state-of-mine"))
    assert press(delivered()[0])["Location"] == (
        "https://game.example/callback?code=pending-game-29-state-of-mine&state=state-of-mine"
    )


@pytest.mark.parametrize(
    ("redirect", "landing"),
    [
        ("https://arcade.example/b?keep=1", "https://arcade.example/b?keep=1&state=a+b%26c%3Dd_9"),
        ("app://xlogin.com.example.arcade", "app://xlogin.com.example.arcade?state=a+b%26c%3Dd_9"),
    ],
)
def test_landing_keeps_the_query(redirect, landing, reply, pending, delivered, press):
    """Parameters are encoded and added after those of the redirect, for custom schemes too."""
    reply(oauth2_request(ADDRESS, client="arcade", redirect=redirect, state="a b&c=d_9"))
    assert way_on(press(delivered()[0])) == landing


def test_landing_of_an_app_twice(reply, pending, delivered, press):
    """If the link of an app's redirect is used again, there is no error and no second code."""
    redirect = "app://xlogin.com.example.arcade"
    reply(oauth2_request(ADDRESS, client="arcade", redirect=redirect, state="state-of-mine"))
    message = delivered()[0]
    assert way_on(press(message)) == f"{redirect}?state=state-of-mine"
    browser = Client()
    token = {"token": token_of(message)}
    for again in (browser.post("/confirm/", token), browser.get("/confirm/", token)):
        assert way_on(again) == redirect


def test_landing_jwt(reply, pending, delivered, press):
    """The redirect has the vendor's user JWT."""
    reply(jwt_request(ADDRESS, payload="two\nlines"))
    before = timezone.now().replace(microsecond=0)
    location = press(delivered()[0])["Location"]
    address, _, token = location.partition("?token=")
    assert address == GAME
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    claims = jwt.decode(token, GAME_SECRET, algorithms=["HS256"], issuer="https://login.xsolla.com")
    issued = datetime.fromtimestamp(claims.pop("iat"), UTC)
    assert before <= issued <= timezone.now()
    assert datetime.fromtimestamp(claims.pop("exp"), UTC) - issued == timedelta(hours=24)
    assert str(UUID(claims.pop("sub"))) != str(UUID(int=0))
    assert claims == {
        "iss": "https://login.xsolla.com",
        "groups": [{"id": 1, "name": "default", "is_default": True}],
        "xsolla_login_project_id": "40db2ea4-5d42-11e6-a3ff-005056a0e04a",
        "type": "xsolla_login",
        "username": "pending",
        "email": "pending@example.com",
        "payload": "two\nlines",
    }


def claims_of(location: str) -> dict:
    """Return the JWT's claims from a redirect, without verification."""
    token = location.partition("token=")[2]
    return jwt.decode(token, options={"verify_signature": False})


def test_payload_claim_is_absent(reply, pending, delivered, press):
    """Without a payload the JWT does not have the claim."""
    reply(jwt_request(ADDRESS))
    assert "payload" not in claims_of(press(delivered()[0])["Location"])


def test_subject_stays_and_differs(reply, delivered, press, clock, db):
    """``sub`` is constant for an account, and differs between accounts."""
    one, two = PendingFactory(), PendingFactory()
    subjects = []
    for user in (one, two, one):
        reply(jwt_request(user.email))
        subjects.append(claims_of(press(delivered()[0])["Location"])["sub"])
        start(user, send=False)
        clock.epoch += 61
    assert subjects[0] == subjects[2] != subjects[1]


def test_issuer_and_lifetime(reply, pending, delivered, press, configure):
    """A client can have its own issuer and lifetime of JWTs."""
    signing = {"key": GAME_SECRET, "issuer": "https://login.site.example", "lifetime": 600}
    ids = {"xsolla-jwt": PROJECT_IDS["game"]}
    configure(CLIENTS=[{"name": "game", "ids": ids, "redirects": [GAME], "signing": signing}])
    reply(jwt_request(ADDRESS))
    claims = claims_of(press(delivered()[0])["Location"])
    assert claims["iss"] == "https://login.site.example"
    assert claims["exp"] - claims["iat"] == 600


def test_times_without_time_zones(reply, delivered, press, settings, db):
    """``iat`` and ``exp`` are right with USE_TZ = False."""
    settings.TIME_ZONE = "America/New_York"
    settings.USE_TZ = False
    PendingFactory(email=ADDRESS)
    reply(jwt_request(ADDRESS))
    before = int(time.time())
    claims = claims_of(press(delivered()[0])["Location"])
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] - claims["iat"] == 24 * 3600


@pytest.fixture(scope="module")
def rsa_keys():
    """A private key in PEM format and its public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *form).decode(), key.public_key()


def test_landing_rs256(reply, pending, delivered, press, configure, rsa_keys):
    """A client with a private key gets JWTs with RS256 and its key id."""
    private, public = rsa_keys
    signing = {"key": private, "algorithm": "RS256", "key_id": "k1"}
    configure(
        CLIENTS=[
            {
                "name": "game",
                "ids": {"xsolla-jwt": PROJECT_IDS["game"]},
                "redirects": [GAME],
                "signing": signing,
            }
        ]
    )
    reply(jwt_request(ADDRESS))
    token = press(delivered()[0])["Location"].partition("token=")[2]
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert jwt.decode(token, public, algorithms=["RS256"])["email"] == ADDRESS


def test_landing_without_a_key(reply, pending, delivered, press, configure, caplog):
    """Without a key there is no JWT: the click confirms and ends on our own page."""
    client = {"name": "game", "ids": {"xsolla-jwt": PROJECT_IDS["game"]}, "redirects": [GAME]}
    configure(CLIENTS=[client])
    reply(jwt_request(ADDRESS))
    response = press(delivered()[0])
    assert (response.status_code, b"Thank you" in response.content) == (200, True)
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED
    assert "URL could be created for the client 'game' (ImproperlyConfigured)" in caplog.text


@both
def test_used_link(case, reply, pending, delivered, press, client):
    """The page of a used link links to the redirect with the vendor's error code."""
    reply(case.request_for(ADDRESS))
    (message,) = delivered()
    press(message)
    landing = (
        '<a href="https://game.example/callback?error_code=003-409&amp;'
        'error_description=User+account+is+already+confirmed."'
    )
    again = client.post("/confirm/", {"token": token_of(message)})
    for response in (again, client.get(link_of(message))):
        assert response.status_code == 200
        assert "Already confirmed" in response.content.decode()
        assert landing in response.content.decode()


@both
def test_expired_link(case, reply, pending, delivered, client):
    """The page of an expired link links to the redirect with the vendor's error code."""
    reply(case.request_for(ADDRESS))
    (message,) = delivered()
    Delivery.objects.update(link_expires_at=timezone.now() - timedelta(seconds=1))
    response = client.get(link_of(message))
    assert response.status_code == 410
    assert (
        '<a href="https://game.example/callback?error_code=010-017&amp;'
        'error_description=The+link+has+expired."'
    ) in response.content.decode()


@both
def test_dead_link(case, reply, pending, delivered, client):
    """The page of a dead link links to the redirect with the vendor's error code."""
    reply(case.request_for(ADDRESS))
    (message,) = delivered()
    pending.is_active = False
    pending.save()
    response = client.post("/confirm/", {"token": token_of(message)})
    assert response.status_code == 410
    assert (
        '<a href="https://game.example/callback?error_code=010-018&amp;'
        'error_description=The+link+is+not+valid+any+more."'
    ) in response.content.decode()


def test_foreign_link_leads_nowhere(db, client):
    """The page of an unknown link has no link, in particular not to a URL in the query."""
    response = client.get(f"/confirm/?token={'A' * 43}&redirect_uri=https://evil.example/")
    assert response.status_code == 404
    links = [b'<a href="https://site.example">']
    assert re.findall(rb"<a [^>]*>", response.content) == links
    assert b"evil" not in response.content


def test_the_proxy_alone(client, settings):
    """The second path of the JWT call can be mounted alone."""
    settings.ROOT_URLCONF = "resend_confirmation.dialects.xsolla.proxy"
    first, second = (
        client.post(path, "{}", content_type="application/json")
        for path in (
            "/proxy/registration/resend_confirmation_link",
            "/user/resend_confirmation_link",
        )
    )
    assert (first.status_code, second.status_code) == (400, 404)

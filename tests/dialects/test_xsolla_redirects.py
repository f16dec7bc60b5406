"""Xsolla's redirects: exact matches, parameters, and the claims of JWTs."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from django.http import HttpResponse
from jwcrypto.jwk import JWK
from jwcrypto.jws import InvalidJWSSignature
from jwcrypto.jwt import JWT

from resend_confirmation import clients
from resend_confirmation.dialects.base import with_parameters
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import ConfirmationState, Refusal
from tests.test_link import state as state_of_the_confirmation

from .cases import ADDRESS, expected, way_on
from .test_xsolla import (
    GAME,
    GAME_SECRET,
    JWT_ENDINGS,
    OAUTH2_ENDINGS,
    PROJECT_IDS,
    both,
    invalid,
    jwt_request,
    oauth2_request,
    rsa_keys,  # noqa: F401 - a fixture
)

WEB = "https://game.example/callback?next=1"
APP = "mygame://done"
SIX = "https://[2001:db8::1]:8443/cb"

IDS = {"xsolla-oauth2": 57, "xsolla-jwt": PROJECT_IDS["game"]}
PARAMETER = {"xsolla-oauth2": "redirect_uri", "xsolla-jwt": "login_url"}
ENDINGS = {"xsolla-oauth2": OAUTH2_ENDINGS, "xsolla-jwt": JWT_ENDINGS}
FIVE = [WEB, APP, SIX, "https://game.example/", "https://game.example/%7Euser"]

#: Strings that are similar to one of the five, but may lead elsewhere.
NEAR_MISSES = {
    "prefix": "https://game.example/callback",
    "prefix of the host": "https://game.exampl",
    "suffix": "https://game.example/callback?next=10",
    "suffix of the host": "https://game.example.evil.example/callback?next=1",
    "prefix of the host's name": "https://evilgame.example/callback?next=1",
    "subdomain": "https://a.game.example/callback?next=1",
    "registered one within": "https://evil.example/?u=https://game.example/callback?next=1",
    "registered one in a fragment": "https://evil.example/#https://game.example/callback?next=1",
    "userinfo": "https://game.example@evil.example/callback?next=1",
    "userinfo with a password": "https://game.example:443@evil.example/callback?next=1",
    "userinfo before": "https://user@game.example/callback?next=1",
    "userinfo, empty": "https://@game.example/callback?next=1",
    "userinfo, encoded": "https://game.example%40evil.example/callback?next=1",
    "backslash and userinfo": "https://evil.example\\@game.example/callback?next=1",
    "backslash behind the host": "https://game.example\\callback?next=1",
    "backslashes in front": "https:\\\\game.example\\callback?next=1",
    "mixed slashes": "https:/\\game.example/callback?next=1",
    "slash and backslash alone": "/\\game.example/callback?next=1",
    "one slash": "https:/game.example/callback?next=1",
    "three slashes": "https:///game.example/callback?next=1",
    "no slash": "https:game.example/callback?next=1",
    "no scheme": "//game.example/callback?next=1",
    "four slashes": "////game.example/callback?next=1",
    "path alone": "/callback?next=1",
    "host alone": "game.example/callback?next=1",
    "slashes doubled": "https://game.example//callback?next=1",
    "tab within": "https://game.example/call\tback?next=1",
    "tab in the scheme": "ht\ttps://game.example/callback?next=1",
    "line feed within": "https://game.example/call\nback?next=1",
    "line feed at the end": "https://game.example/callback?next=1\n",
    "CRLF and a header": "https://game.example/callback?next=1\r\nLocation: https://evil.example",
    "blank in front": " https://game.example/callback?next=1",
    "blank at the end": "https://game.example/callback?next=1 ",
    "no-break space": "https://game.example/callback?next=1\u00a0",
    "zero width": "https://game.example/call\u200bback?next=1",
    "right to left": "https://game.example/\u202ecallback?next=1",
    "BOM": "\ufeffhttps://game.example/callback?next=1",
    "percent-encoded letter": "https://game.example/callbac%6B?next=1",
    "percent-encoded host": "https://game%2Eexample/callback?next=1",
    "percent-encoded slash": "https://game.example%2Fcallback?next=1",
    "percent-encoded NUL": "https://game.example/callback%00?next=1",
    "double-encoded": "https%3A%2F%2Fgame.example%2Fcallback%3Fnext%3D1",
    "escapes decoded": "https://game.example/~user",
    "escapes in small letters": "https://game.example/%7euser",
    "other port": "https://game.example:8443/callback?next=1",
    "default port": "https://game.example:443/callback?next=1",
    "empty port": "https://game.example:/callback?next=1",
    "scheme in capitals": "HTTPS://game.example/callback?next=1",
    "host in capitals": "https://GAME.example/callback?next=1",
    "path in capitals": "https://game.example/Callback?next=1",
    "http": "http://game.example/callback?next=1",
    "ftp": "ftp://game.example/callback?next=1",
    "trailing slash": "https://game.example/callback/?next=1",
    "no trailing slash": "https://game.example",
    "trailing dot": "https://game.example./callback?next=1",
    "ideographic full stop": "https://game\u3002example/callback?next=1",
    "full-width full stop": "https://game\uff0eexample/callback?next=1",
    "half-width full stop": "https://game\uff61example/callback?next=1",
    "full-width slash": "https://game.example\uff0fcallback?next=1",
    "Cyrillic letter": "https://g\u0430me.example/callback?next=1",
    "the same in punycode": "https://xn--gme-5cd.example/callback?next=1",
    "full-width letters": "https://\uff47ame.example/callback?next=1",
    "soft hyphen": "https://ga\u00adme.example/callback?next=1",
    "Kelvin sign": "https://game.example/callbac\u212a?next=1",
    "empty fragment": "https://game.example/callback?next=1#",
    "fragment": "https://game.example/callback?next=1#x",
    "no query": "https://game.example/callback?",
    "more in the query": "https://game.example/callback?next=1&x=2",
    "parameter doubled": "https://game.example/callback?next=1&next=1",
    "other value": "https://game.example/callback?next=2",
    "semicolon": "https://game.example/callback;x?next=1",
    "path up and down": "https://game.example/x/../callback?next=1",
    "path up, encoded": "https://game.example/x/%2e%2e/callback?next=1",
    "dot segment": "https://game.example/./callback?next=1",
    "javascript": "javascript:alert(1)",
    "javascript of the host": "javascript://game.example/callback?next=1",
    "data": "data:text/html,<script>alert(1)</script>",
    "blob": "blob:https://game.example/callback?next=1",
    "app with a path": "mygame://done/",
    "app with a query": "mygame://done?x=1",
    "app in capitals": "MyGame://done",
    "app with a longer scheme": "mygame2://done",
    "app without slashes": "mygame:done",
    "another app": "yourgame://done",
    "IPv6 written out": "https://[2001:db8:0:0:0:0:0:1]:8443/cb",
    "IPv6 in capitals": "https://[2001:DB8::1]:8443/cb",
    "IPv6 without brackets": "https://2001:db8::1:8443/cb",
    "IPv6 with a zone": "https://[2001:db8::1%25eth0]:8443/cb",
    "IPv6, another": "https://[::ffff:192.0.2.1]:8443/cb",
    "IPv6, unclosed": "https://[2001:db8::1:8443/cb",
    "id in place of the address": "0",
    "list in Python": "['https://game.example/callback?next=1']",
    "list in JSON": '["https://game.example/callback?next=1"]',
    "object in JSON": '{"url": "https://game.example/callback?next=1"}',
    "two at once": "https://game.example/callback?next=1,https://evil.example/",
    "pattern": "https://game.example/*",
}


@pytest.fixture
def five(configure):
    """A client with five registered redirects."""
    configure(
        CLIENTS=[{"name": "game", "ids": IDS, "redirects": FIVE, "signing": {"key": GAME_SECRET}}]
    )


def naming(case, query):
    """Return a request with ``query`` added to the client's parameter."""
    request = case.request_for(ADDRESS)
    return replace(request, query=f"{request.query}&{query}")


def test_near_misses_are_many():
    """The near misses are more than 60 different strings, and none is registered."""
    assert len(set(NEAR_MISSES.values())) == len(NEAR_MISSES) > 60
    assert not set(NEAR_MISSES.values()) & set(FIVE)


@pytest.mark.parametrize("typed", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_near_miss(typed, five):
    """A URL that is only similar to a registered redirect is not allowed."""
    game = clients.by_name("game")
    assert game is not None
    assert clients.find_redirect(game, typed) is Refusal.REDIRECT_NOT_ALLOWED


@both
@pytest.mark.parametrize("quiet", [[], "all"], ids=["candid", "quiet"])
@pytest.mark.parametrize("near", ["blank at the end", "line feed within", "full-width slash"])
def test_near_miss_over_http(case, quiet, near, five, configure, reply, pending, assert_unchanged):
    """A near miss gets the vendor's error, with QUIET or without."""
    configure(QUIET=quiet)
    query = f"{PARAMETER[case.name]}={quote(NEAR_MISSES[near], safe='')}"
    with assert_unchanged():
        refused = ENDINGS[case.name][Refusal.REDIRECT_NOT_ALLOWED]
        assert reply(naming(case, query)) == refused


@both
@pytest.mark.parametrize("quiet", [[], "all"], ids=["candid", "quiet"])
@pytest.mark.parametrize("typed", FIVE)
def test_hit(case, quiet, typed, five, configure, reply, pending):
    """The registered redirects are accepted, and their ids are stored."""
    configure(QUIET=quiet)
    query = f"{PARAMETER[case.name]}={quote(typed, safe='')}"
    assert reply(naming(case, query)) == expected(204)
    assert Delivery.objects.get().redirect == str(FIVE.index(typed))


@both
@pytest.mark.parametrize("quiet", [[], "all"], ids=["candid", "quiet"])
@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("{0}=https://game.example/&{0}=https://evil.example/", "more than once"),
        ("{0}=https://game.example/&{0}=https://game.example/", "more than once"),
        ("{0}=https://game.example/%00", "Null characters"),
        ("{0}=%00", "Null characters"),
    ],
)
def test_broken_parameter(
    case, quiet, query, fault, five, configure, reply, pending, assert_unchanged
):
    """A redirect that is repeated or contains NUL is invalid."""
    configure(QUIET=quiet)
    name = PARAMETER[case.name]
    why = {
        "more than once": "This field was given more than once.",
        "Null characters": "Null characters are not allowed.",
    }[fault]
    with assert_unchanged():
        assert reply(naming(case, query.format(name))) == invalid(
            json.dumps({name: [why]}, separators=(",", ":")).encode()
        )


@both
@pytest.mark.parametrize(
    "query",
    [
        "{0}[]=https://game.example/",
        "{0}[0]=https://game.example/",
        "{0}[url]=https://game.example/",
        "{1}=https://game.example/",
        "redirect=https://game.example/",
        "{0}%00=https://game.example/",
        "x;{0}=https://game.example/",
        "{0}=",
    ],
)
def test_redirect_under_another_name(case, query, five, reply, pending, assert_unchanged):
    """A redirect under another name or as an array is ignored, so a redirect is missing."""
    name = PARAMETER[case.name]
    with assert_unchanged():
        assert (
            reply(naming(case, query.format(name, name.upper())))
            == (ENDINGS[case.name][Refusal.REDIRECT_REQUIRED])
        )


@both
def test_redirect_in_the_body(case, five, reply, pending, assert_unchanged):
    """A redirect in the body is ignored."""
    body = {"username": ADDRESS, PARAMETER[case.name]: [WEB], "redirect": {"url": WEB}}
    with assert_unchanged():
        assert (
            reply(replace(case.request_for(ADDRESS), body=json.dumps(body).encode()))
            == (ENDINGS[case.name][Refusal.REDIRECT_REQUIRED])
        )


@both
@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x"])
def test_registered_script(case, url, configure, reply, pending, assert_unchanged):
    """If a script URL is registered, the client's whole configuration is refused."""
    configure(CLIENTS=[{"name": "game", "ids": IDS, "redirects": [GAME, url]}])
    for redirect in (url, GAME):
        with assert_unchanged():
            assert (
                reply(case.request_for(ADDRESS, redirect=redirect))
                == ENDINGS[case.name][Refusal.FAILED]
            )


def test_redirect_removed_before_the_click(five, configure, reply, pending, delivered, press):
    """A redirect that is removed before the click is not used; the click confirms."""
    reply(oauth2_request(ADDRESS, redirect=APP, state="state-of-mine"))
    left = {str(place): url for place, url in enumerate(FIVE) if url != APP}
    configure(CLIENTS=[{"name": "game", "ids": IDS, "redirects": left}])
    response = press(delivered()[0])
    assert (response.status_code, "Location" in response) == (200, False)
    assert state_of_the_confirmation() == ConfirmationState.CONFIRMED


# Parameters of a redirect


LANDINGS = {
    "nothing": ("https://a.example/cb", "https://a.example/cb?state=S"),
    "a slash": ("https://a.example", "https://a.example?state=S"),
    "a query": ("https://a.example/cb?x=1", "https://a.example/cb?x=1&state=S"),
    "an empty query": ("https://a.example/cb?", "https://a.example/cb?state=S"),
    "a query in escapes": ("https://a.example/?x=%26%20+", "https://a.example/?x=%26%20+&state=S"),
    "its own state": ("https://a.example/?state=old&x=1", "https://a.example/?x=1&state=S"),
    "several": ("https://a.example/?state=1&state=2", "https://a.example/?state=S"),
    "in escapes": ("https://a.example/?st%61te=old", "https://a.example/?state=S"),
    "a name alone": ("https://a.example/?state&x", "https://a.example/?x&state=S"),
    "a longer name": ("https://a.example/?xstate=1", "https://a.example/?xstate=1&state=S"),
    "a fragment": ("https://a.example/cb#top", "https://a.example/cb?state=S#top"),
    "both": ("https://a.example/?x=1#/a?b", "https://a.example/?x=1&state=S#/a?b"),
    "a question mark": ("https://a.example/#a?b=1", "https://a.example/?state=S#a?b=1"),
    "an app": ("mygame://done", "mygame://done?state=S"),
    "an app without host": ("mygame:///done", "mygame:///done?state=S"),
    "an app without slashes": ("mygame:done", "mygame:done?state=S"),
    "an app with nothing": ("mygame://", "mygame://?state=S"),
    "IPv6": (SIX, SIX + "?state=S"),
}


@pytest.mark.parametrize(("url", "landing"), LANDINGS.values(), ids=LANDINGS)
def test_with_parameters(url, landing):
    """A parameter is in the query exactly once, and the rest of the URL is unchanged."""
    assert with_parameters(url, state="S", code="") == landing
    assert with_parameters(url, code="") == url


STATES = [
    "12345678&code=evil",
    "12345678#fragment",
    "12345678?x=1",
    "12345678%26code%3Devil",
    "12345678=;+ /\\'\"<>",
    "https://evil.example/",
    "grüße aus köln ☃",
    "\U0001f600" * 9,
]


@pytest.mark.parametrize("state", STATES)
def test_state_comes_back_unchanged(state, five, reply, pending, delivered, press):
    """The redirect has the state unchanged, and no other parameters."""
    assert reply(oauth2_request(ADDRESS, redirect=WEB, state=state)) == expected(204)
    location = press(delivered()[0])["Location"]
    parts = urlsplit(location)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://game.example/callback"
    assert parse_qsl(parts.query, strict_parsing=True) == [("next", "1"), ("state", state)]
    assert parts.fragment == ""
    assert location.isascii()


@pytest.mark.parametrize("state", ["12345678\r\nSet-Cookie: a=b", "12345678\r", "12345678\x85"])
def test_state_of_several_lines(state, five, reply, pending, assert_unchanged):
    """A state with a line break, which could end a header, is refused."""
    with assert_unchanged():
        found = reply(oauth2_request(ADDRESS, redirect=WEB, state=state))
        assert (found.status, b"010-022" in found.body) == (400, True)


def test_landing_in_any_letters(configure, reply, pending, delivered, press):
    """Parameters of the registered URL come first; ours replace those with the same name."""
    url = "mygame://done?state=old&code=old&keep=%C3%BC#here"
    configure(CLIENTS=[{"name": "game", "ids": IDS, "redirects": [url]}])
    reply(oauth2_request(ADDRESS, state="state-of-mine"))
    response = press(delivered()[0])
    assert isinstance(response, HttpResponse)
    assert way_on(response) == "mygame://done?code=old&keep=%C3%BC&state=state-of-mine#here"


# Claims of a user JWT, read with another library


def verified(location, key, algorithm):
    """Return claims and header of the JWT in ``location``, verified by jwcrypto."""
    token = dict(parse_qsl(urlsplit(location).query))["token"]
    read = JWT(jwt=token, key=key, algs=[algorithm], expected_type="JWS")
    return json.loads(read.claims), json.loads(read.header)


def secret(text):
    return JWK.from_password(text)


def test_hs256_by_another_library(reply, pending, delivered, press):
    """jwcrypto verifies an HS256 signature with the client's secret, and with no other."""
    reply(jwt_request(ADDRESS))
    location = press(delivered()[0])["Location"]
    claims, header = verified(location, secret(GAME_SECRET), "HS256")
    assert (claims["email"], header) == (ADDRESS, {"alg": "HS256", "typ": "JWT"})
    with pytest.raises(InvalidJWSSignature):
        verified(location, secret(GAME_SECRET + "x"), "HS256")


def test_rs256_by_another_library(reply, pending, delivered, press, configure, rsa_keys):  # noqa: F811
    """jwcrypto verifies an RS256 signature with the public key, and with no other."""
    private, public = rsa_keys
    signing = {"key": private, "algorithm": "RS256", "key_id": "k1"}
    configure(CLIENTS=[{"name": "game", "ids": IDS, "redirects": [GAME], "signing": signing}])
    reply(jwt_request(ADDRESS))
    location = press(delivered()[0])["Location"]
    claims, header = verified(location, JWK.from_pyca(public), "RS256")
    assert (claims["email"], header) == (ADDRESS, {"alg": "RS256", "kid": "k1", "typ": "JWT"})
    with pytest.raises(InvalidJWSSignature):
        verified(location, JWK.generate(kty="RSA", size=2048), "RS256")


@pytest.mark.parametrize(
    "payload",
    [
        '{"sub": "somebody else", "exp": 9999999999, "email": "admin@site.example"}',
        '{"payload": {"payload": {"iss": "https://evil.example"}}}',
        '","sub":"somebody else","x":"',
        "sub=somebody&exp=9999999999",
        "[" * 500,
    ],
)
def test_payload_is_one_claim(payload, reply, pending, delivered, press):
    """A payload is a single claim, a string, and cannot change other claims."""
    reply(jwt_request(ADDRESS, payload=payload))
    claims, _ = verified(press(delivered()[0])["Location"], secret(GAME_SECRET), "HS256")
    assert claims["payload"] == payload
    assert (claims["email"], claims["iss"]) == (ADDRESS, "https://login.xsolla.com")
    assert claims["exp"] - claims["iat"] == 24 * 3600
    assert claims["sub"] != "somebody else"


def test_claims_in_the_query(reply, pending, delivered, press):
    """Claims in the query are ignored."""
    request = jwt_request(ADDRESS, payload="mine", sub="somebody", exp="1", alg="none", token="x")
    reply(request)
    claims, header = verified(press(delivered()[0])["Location"], secret(GAME_SECRET), "HS256")
    assert (claims["payload"], header["alg"]) == ("mine", "HS256")
    assert urlencode({"sub": claims["sub"]}) != "sub=somebody"


def test_public_key_as_a_secret(reply, pending, delivered, press, configure, rsa_keys, caplog):  # noqa: F811
    """A public key is not used as an HS256 secret, since anyone could sign with it."""
    private, _ = rsa_keys
    public = JWK.from_pem(private.encode()).export_to_pem().decode()
    client = {"name": "game", "ids": IDS, "redirects": [GAME], "signing": {"key": public}}
    configure(CLIENTS=[client])
    reply(jwt_request(ADDRESS))
    response = press(delivered()[0])
    assert (response.status_code, "Location" in response) == (200, False)
    assert "No landing URL" in caplog.text
    assert "BEGIN PUBLIC" not in caplog.text

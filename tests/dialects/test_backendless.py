"""Backendless: endings for each URL, the identity in the path, clients and the redirect."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from resend_confirmation.dialects.backendless import BackendlessHeadersResend, BackendlessResend
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import ENDINGS, ConfirmationState, Outcome, Refusal
from tests.factories import PendingFactory

from .cases import ADDRESS, Case, Endings, Request, expected, token_of

APP_IDS = {
    "game": "F2FE78BB-5D08-44FE-B074-6E7C29B49B03",
    "arcade": "0B6C1E5A-58AA-4C1D-8A58-000000000058",
    "kiosk": "0B6C1E5A-59AA-4C1D-8A59-000000000059",
    None: "00000000-0000-4000-8000-000000000000",
}
KEYS = {
    "game": "7C1A9E00-0000-4000-8000-000000000001",
    "arcade": "7C1A9E00-0000-4000-8000-000000000058",
    "kiosk": "7C1A9E00-0000-4000-8000-000000000059",
    None: "7C1A9E00-0000-4000-8000-000000000001",
}
SECOND_KEY = "7C1A9E00-0000-4000-8000-000000000002"


def _end(identity) -> str:
    return quote(str(identity), safe="@", errors="surrogatepass")


def _hosted(name: str):
    def request_for(identity, client="game"):
        headers = {"Host": f"{client}.backend.example"}
        path = f"/api/users/{name}/{_end(identity)}"
        return Request(path=path, content_type="", headers=headers)

    return request_for


def _keyed(name: str):
    def request_for(identity, client="game"):
        path = f"/{APP_IDS[client]}/{KEYS[client]}/users/{name}/{_end(identity)}"
        return Request(path=path, content_type="")

    return request_for


def _headed(identity, client="game"):
    headers = {"application-id": APP_IDS[client], "secret-key": KEYS[client]}
    path = f"/v1/users/resendconfirmation/{_end(identity)}"
    return Request(path=path, content_type="application/x-www-form-urlencoded", headers=headers)


NOT_FOUND = expected(
    400,
    b'{"message":"Unable to send email confirmation - user account with the email cannot be '
    b'found.","code":3104}',
)
LIMIT = (
    b'{"message":"Cannot process request - request per second limit has been exhausted","code":999}'
)
UNKNOWN_CLIENT = expected(
    400,
    b'{"message":"Version is disabled or provided wrong application info (application id or '
    b'secret key)","code":2002}',
)
SENDS = expected(200)
ANSWERS: Endings = {
    Outcome.SENT: SENDS,
    Outcome.UNKNOWN: NOT_FOUND,
    Outcome.CONFIRMED: expected(
        400,
        b'{"message":"User has already confirmed the email address. Email confirmation will not '
        b'be sent.","code":3102}',
    ),
    Outcome.BLOCKED: NOT_FOUND,
    Outcome.COOLING_DOWN: expected(429, LIMIT, {"Retry-After": "45"}),
    Refusal.INVALID: NOT_FOUND,
    Refusal.MALFORMED: NOT_FOUND,
    Refusal.TOO_LARGE: expected(413, b'{"message":"Request body is too large.","code":413}'),
    Refusal.UNKNOWN_CLIENT: UNKNOWN_CLIENT,
    Refusal.NOT_ENABLED: expected(
        400,
        b'{"message":"Unable to send email confirmation. The \\"Require Email Confirmation\\" '
        b"option must be enabled in Backendless Console (see the Users > Registration screen)"
        b'","code":3103}',
    ),
    Refusal.REDIRECT_REQUIRED: NOT_FOUND,
    Refusal.REDIRECT_NOT_ALLOWED: NOT_FOUND,
    Refusal.THROTTLED: expected(429, LIMIT, {"Retry-After": "37"}),
    Refusal.WRONG_METHOD: expected(
        405, b'{"message":"Method not allowed.","code":405}', {"Allow": "POST"}
    ),
    Refusal.FAILED: expected(500, b'{"message":"Something went wrong.","code":500}'),
}
FAULTS = {
    "empty": NOT_FOUND,
    "blank": NOT_FOUND,
    "over-long": NOT_FOUND,
    "NUL": NOT_FOUND,
    "a line break": NOT_FOUND,
    "a lone surrogate": NOT_FOUND,
}
_ROOTS = {
    "backendless": (BackendlessResend, _hosted("resendconfirmation"), False),
    "backendless C": (BackendlessResend, _keyed("resendconfirmation"), True),
    "backendless D": (BackendlessHeadersResend, _headed, True),
    "backendless E, by host": (BackendlessResend, _hosted("resendEmailConfirmation"), False),
    "backendless E, by key": (BackendlessResend, _keyed("resendEmailConfirmation"), True),
}
CASES = [
    Case(
        name=name,
        view=view,
        request_for=request_for,
        endings=ANSWERS,
        faults=FAULTS,
        names_client=names_client,
    )
    for name, (view, request_for, names_client) in _ROOTS.items()
]

every_root = pytest.mark.parametrize("case", CASES, ids=str)


@every_root
@pytest.mark.parametrize("ending", ENDINGS, ids=str)
def test_ending(case, ending, arrange, reply):
    """Each ending has exactly the vendor's status, headers and body."""
    assert reply(arrange(case, ending)) == case.endings[ending]


# The identity in the path

USERS = {
    ADDRESS: "pending",
    "plus+tag@example.com": "plus",
    "a/b%c@example.com": "slash",
    "gruesse#1?x@example.com": "mark",
    "grüße@bücher.example": "umlaut",
    "ключ@пример.example": "кириллица",
    "two@example.com": "Ã©",
    "number@example.com": "7001",
    "name@example.com": "spieler/ö +%41",
}


@pytest.fixture
def users(db):
    """Create an account for each form of identity."""
    for email, username in USERS.items():
        PendingFactory(username=username, email=email)


IDENTITIES = [
    ("pending@example.com", ADDRESS),
    ("pending%40example.com", ADDRESS),
    ("pending", ADDRESS),
    ("pending@example.com/", ADDRESS),
    ("PENDING@EXAMPLE.COM", ADDRESS),
    ("plus+tag@example.com", "plus+tag@example.com"),
    ("plus%2Btag%40example.com", "plus+tag@example.com"),
    ("a/b%25c@example.com", "a/b%c@example.com"),
    ("a%2Fb%25c%40example.com", "a/b%c@example.com"),
    ("gruesse%231%3Fx@example.com", "gruesse#1?x@example.com"),
    ("gr%C3%BC%C3%9Fe@b%C3%BCcher.example", "grüße@bücher.example"),
    ("grüße@bücher.example".encode(), "grüße@bücher.example"),
    ("grüße@bücher.example".encode("latin-1"), "grüße@bücher.example"),
    ("gr%FC%DFe@b%FCcher.example", "grüße@bücher.example"),
    ("ключ@пример.example".encode(), "ключ@пример.example"),
    (quote("ключ@пример.example"), "ключ@пример.example"),
    (quote("кириллица"), "ключ@пример.example"),
    (quote("Ã©"), "two@example.com"),
    ("7001", "number@example.com"),
    ("spieler/%C3%B6%20+%2541", "name@example.com"),
]


def joined(case: Case, identity: str | bytes) -> Request:
    """Return a request whose path ends with ``identity``, without any encoding."""
    request = case.request_for("")
    assert isinstance(request.path, str)
    if isinstance(identity, bytes):
        return replace(request, path=request.path.encode() + identity)
    return replace(request, path=request.path + identity)


@pytest.mark.parametrize(
    ("case", "identity", "address"),
    # The last part of the path is the same for all URLs, so one identity is enough for the others.
    [(CASES[0], *row) for row in IDENTITIES] + [(case, *IDENTITIES[19]) for case in CASES[1:]],
    ids=str,
)
def test_identity(case, identity, address, reply, users, delivered):
    """An identity is decoded once, as UTF-8 or otherwise Latin-1, and a plus is kept."""
    assert reply(joined(case, identity)) == SENDS
    assert Delivery.objects.values_list("confirmation__address").get() == (address,)
    assert len(delivered()) == 1


NOBODY = [
    "plus tag@example.com",
    "plus%20tag@example.com",
    "pending%2540example.com",
    "spieler/%C3%B6%20%20%2541",
    "spieler/%C3%B6%20+A",
    "pending@example.com//",
    "pending@example.com/x",
    "pending@example.com,plus+tag@example.com",
    "7001.0",
    "07001",
    "pending%0D%0ABcc:%20x@example.com",
    "pending%00",
    "%ED%A0%80",
    "",
    "/",
    "%20",
    "u" * 256,
]


@pytest.mark.parametrize(
    ("case", "identity"),
    [(CASES[0], identity) for identity in NOBODY] + [(case, "pending%00") for case in CASES[1:]],
    ids=str,
)
def test_unknown_identity(case, identity, reply, users, assert_unchanged):
    """An unknown or invalid identity gets the vendor's error, not a redirect or page."""
    with assert_unchanged():
        assert reply(joined(case, identity)) == NOT_FOUND


@pytest.mark.parametrize("identity", ["pending%0A", "%09pending%40example.com", "%20pending%0D%0A"])
def test_blanks_around_an_identity(identity, reply, pending, delivered):
    """Whitespace around an identity is removed."""
    assert reply(joined(CASES[0], identity)).status == 200
    assert len(delivered()) == 1


@every_root
def test_path_without_identity(case, reply, users, assert_unchanged):
    """A path without an identity gets the vendor's error."""
    request = case.request_for("")
    with assert_unchanged():
        assert reply(replace(request, path=str(request.path).removesuffix("/"))) == NOT_FOUND


@every_root
def test_two_slashes(case, reply, pending):
    """A path with two leading slashes is accepted; clients send it if their base URL has one."""
    request = case.request_for(ADDRESS)
    assert reply(replace(request, path="/" + str(request.path))) == SENDS


def test_longest_identity(reply, db):
    """Identities of up to 255 characters are looked up."""
    PendingFactory(username="u" * 150, email=f"x@{'d' * 60}.{'e' * 60}.{'f' * 60}.example")
    assert reply(joined(CASES[0], "u" * 150)) == SENDS
    assert reply(joined(CASES[0], "u" * 255)) == NOT_FOUND


# The client


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("arcade.backend.example", "arcade"),
        ("ARCADE.backend.example:8443", "arcade"),
        ("game.backend.example", "game"),
        ("localhost:8000", "game"),
    ],
)
def test_host_names_the_client(host, client, reply, pending):
    """The documented form identifies the client by the host; others get the default client."""
    request = replace(CASES[0].request_for(ADDRESS), headers={"Host": host})
    assert reply(request) == SENDS
    assert Delivery.objects.get().client == client


def test_host_of_a_client_without_confirmation(reply, pending, assert_unchanged):
    """A client that does not require confirmation is identified by its host too."""
    request = replace(CASES[0].request_for(ADDRESS), headers={"Host": "kiosk.backend.example"})
    with assert_unchanged():
        assert reply(request) == ANSWERS[Refusal.NOT_ENABLED]


def in_path(app_id: str, key: str) -> Request:
    """Return a request with id and key in the path (form C)."""
    return Request(path=f"/{app_id}/{key}/users/resendconfirmation/{ADDRESS}")


def in_headers(app_id: str, key: str) -> Request:
    """Return a request with id and key in headers (form D)."""
    headers = {"application-id": app_id, "secret-key": key}
    return Request(path=f"/v1/users/resendconfirmation/{ADDRESS}", headers=headers)


keyed = pytest.mark.parametrize("form", [in_path, in_headers], ids=["path", "headers"])


@keyed
@pytest.mark.parametrize(
    ("client", "key"),
    [("game", KEYS["game"]), ("game", SECOND_KEY), ("arcade", KEYS["arcade"])],
)
def test_each_key_of_a_client(form, client, key, reply, pending):
    """An application id with any of its keys identifies the client."""
    assert reply(form(APP_IDS[client], key)) == SENDS
    assert Delivery.objects.get().client == client


@keyed
@pytest.mark.parametrize(
    ("app_id", "key"),
    [
        (APP_IDS["game"], KEYS["arcade"]),
        (APP_IDS["game"], KEYS["game"].lower()),
        (APP_IDS["game"], KEYS["game"][:-1]),
        (APP_IDS["game"], "%C3%BC"),
        (APP_IDS["game"].lower(), KEYS["game"]),
        (APP_IDS[None], KEYS["game"]),
        ("api", "rest"),
        ("%20", "%20"),
        ("%00", KEYS["game"]),
        (APP_IDS["game"], "%00"),
        ("%20" + APP_IDS["game"], KEYS["game"]),
        (APP_IDS["game"], KEYS["game"] + "%20"),
    ],
)
def test_wrong_key(form, app_id, key, reply, pending, assert_unchanged):
    """A key of another client or an unknown id is refused."""
    with assert_unchanged():
        assert reply(form(app_id, key)) == UNKNOWN_CLIENT


@pytest.mark.parametrize(
    "headers",
    [{}, {"application-id": APP_IDS["game"]}, {"secret-key": KEYS["game"]}],
    ids=["neither", "no key", "no id"],
)
def test_headers_are_needed(headers, reply, pending, assert_unchanged):
    """Under ``v1`` both headers are required; the host is not used."""
    request = replace(in_headers("", ""), headers=headers)
    with assert_unchanged():
        assert reply(request) == UNKNOWN_CLIENT


def test_headers_mean_nothing_elsewhere(reply, pending):
    """The documented form ignores the headers of old clients."""
    headers = {"application-id": APP_IDS[None], "secret-key": "stale"}
    assert reply(replace(CASES[0].request_for(ADDRESS), headers=headers)) == SENDS


# Extra inputs of clients


@every_root
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("application/json", b'{"identity": "x"}'),
        ("application/json", b"\xff{"),
        ("application/x-www-form-urlencoded", b""),
        ("application/x-www-form-urlencoded", b"identity=x"),
    ],
)
def test_body_is_never_read(case, content_type, body, reply, pending, delivered):
    """The body and its type are ignored."""
    assert reply(replace(case.request_for(ADDRESS), content_type=content_type, body=body)) == SENDS
    assert len(delivered()) == 1


@every_root
def test_query_is_ignored(case, reply, pending):
    """The query string is ignored."""
    query = "identity=x&app_id=y&redirect=https://evil.example/&locale=de"
    assert reply(replace(case.request_for(ADDRESS), query=query)) == SENDS
    delivery = Delivery.objects.get()
    assert (delivery.redirect, delivery.language) == ("", "")


@every_root
def test_stale_token(case, reply, pending):
    """A stale ``user-token`` is ignored."""
    request = case.request_for(ADDRESS)
    assert reply(replace(request, headers={**request.headers, "user-token": "stale"})) == SENDS


# After the click


@every_root
def test_landing(case, reply, pending, delivered, press):
    """The click ends on our own page, even if the client has a redirect."""
    reply(case.request_for(ADDRESS))
    response = press(delivered()[0])
    assert (response.status_code, response.has_header("Location")) == (200, False)
    assert "Your e-mail address is confirmed." in response.content.decode()
    assert "game.example" not in response.content.decode()
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED


@pytest.fixture
def pages(configure, settings):
    """Give a client pages for the results of a link."""
    own = {
        "confirmed": "https://game.example/confirmed",
        "expired": "https://game.example/expired",
        "failed": "https://game.example/failed",
    }
    game, *others = settings.CLIENTS
    configure(CLIENTS=[{**game, "pages": own}, *others])


def test_landing_on_the_clients_page(pages, reply, pending, delivered, press, client):
    """A client's pages are used after the click, and linked for a used or dead link."""
    reply(CASES[0].request_for(ADDRESS))
    (message,) = delivered()
    response = press(message)
    assert (response.status_code, response["Location"]) == (303, "https://game.example/confirmed")
    used = client.post("/confirm/", {"token": token_of(message)})
    assert '<a href="https://game.example/confirmed"' in used.content.decode()
    pending.is_active = False
    pending.email = "another@example.com"
    pending.save()
    dead = client.post("/confirm/", {"token": token_of(message)})
    assert '<a href="https://game.example/failed"' in dead.content.decode()


def test_expired_page_still_sends_a_new_link(pages, reply, pending, delivered, client, clock):
    """The page of an expired link has a link to the client's page, and the button works."""
    reply(CASES[0].request_for(ADDRESS))
    (message,) = delivered()
    clock.epoch += 24 * 3600
    page = client.get(f"/confirm/?token={token_of(message)}")
    assert page.status_code == 410
    assert '<a href="https://game.example/expired"' in page.content.decode()
    assert "Send me a new link" in page.content.decode()
    assert client.post("/confirm/new/", {"token": token_of(message)}).status_code == 303
    (renewed,) = delivered()
    assert token_of(renewed) != token_of(message)


@pytest.mark.django_db
def test_the_request_target_of_gunicorn(client):
    """An encoded # belongs to the identity, even if PATH_INFO ends before it."""
    PendingFactory.create(username="ann#1", email="ann@example.com")
    answer = client.post(
        "/api/users/resendconfirmation/ann",
        RAW_URI="/api/users/resendconfirmation/ann%231?x=1",
        HTTP_HOST="game.example",
    )
    assert answer.status_code == 200
    assert Delivery.objects.filter(confirmation__account__username="ann#1").exists()

"""Cross-origin requests in Chromium, with and without the documented CORS settings."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.demonstration import DEADLINE, Site

from .conftest import Sites, inbox_of, nothing_sent, sent_once

pytestmark = [pytest.mark.server, pytest.mark.chromium]


class Files(SimpleHTTPRequestHandler):
    """A client's web site with static files."""

    def log_message(self, *args):
        """Log nothing."""


@dataclass
class Elsewhere:
    """Another origin and the folder that it serves."""

    origin: str
    folder: Path


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Iterator[Elsewhere]:
    """A client's web site on another port, which makes it another origin."""
    folder = tmp_path_factory.mktemp("elsewhere")
    page = "<!doctype html><link rel=icon href=data:,><title>Elsewhere</title>"
    (folder / "index.html").write_text(page)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield Elsewhere(f"http://127.0.0.1:{server.server_port}", folder)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def open_site(sites: Sites, elsewhere) -> Site:
    """The example site, which allows the other origin as documented."""
    return sites.start(
        "cors",
        THROTTLE="off",
        DJANGO_SETTINGS_MODULE="tests.vendor_clients.cors_settings",
        CORS_ALLOWED_ORIGINS=elsewhere.origin,
        CORS_PAGES="xsolla,quiva,backendless,strapi",
    )


@pytest.fixture(scope="module")
def closed_site(sites: Sites) -> Site:
    """The example site without CORS."""
    return sites["open"]


FETCH = """
const [url, body, headers, done] = arguments;
fetch(url, {method: "POST", body: body, headers: headers}).then(
    async answer => done({
        status: answer.status,
        body: await answer.text(),
        wait: answer.headers.get("Retry-After"),
    }),
    error => done({refused: error.name}),
);
"""


@pytest.fixture
def fetch(chromium, elsewhere):
    """Return a function that fetches from a page of the other origin and returns the result."""
    chromium.set_script_timeout(DEADLINE)
    chromium.get(elsewhere.origin)

    def fetch(site: Site, target: str, data: dict[str, str] | None = None, **headers: str) -> Any:
        body = json.dumps(data) if data else None
        headers = {"Content-Type": "application/json", **headers} if data else headers
        return chromium.execute_async_script(FETCH, site.url + target, body, headers)

    return fetch


OAUTH2 = "/api/oauth2/user/resend_confirmation_link?client_id=57&state=state-of-the-game"
JWT = "/api/user/resend_confirmation_link?projectId=40db2ea4-5d42-11e6-a3ff-005056a0e04a"
APP = "F2FE78BB-5D08-44FE-B074-6E7C29B49B03"
KEY = "7C1A9E00-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Call:
    """A request to a dialect, with the identity as ``{}`` in the path or ``field`` in the body."""

    dialect: str
    path: str
    field: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200
    success: str = ""

    def __str__(self) -> str:
        return f"{self.dialect} {self.path.partition('?')[0]}"

    def by(self, fetch, site: Site, identity: str) -> Any:
        data = {self.field: identity} if self.field else None
        return fetch(site, self.path.format(identity), data, **dict(self.headers))


CALLS = [
    Call("xsolla-oauth2", OAUTH2, "username", status=204),
    Call("xsolla-jwt", JWT, "username", status=204),
    Call("backendless", "/api/users/resendconfirmation/{}"),
    Call("backendless", f"/{APP}/{KEY}/users/resendconfirmation/{{}}"),
    Call(
        "backendless",
        "/v1/users/resendconfirmation/{}",
        headers=(("application-id", APP), ("secret-key", KEY), ("user-token", "stale")),
    ),
    Call(
        "strapi",
        "/auth/send-email-confirmation",
        "email",
        headers=(("Authorization", "Bearer stale"),),
        success='{{"email":"{}","sent":true}}',
    ),
    Call(
        "strapi-v4",
        "/api/auth/send-email-confirmation",
        "email",
        success='{{"email":"{}","sent":true}}',
    ),
]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_page_reads_success(fetch, open_site, sites, call):
    """A page of the other origin can read a successful response."""
    waiting = sites.waiting()
    with sent_once(open_site, call.dialect, waiting):
        assert call.by(fetch, open_site, waiting) == {
            "status": call.status,
            "body": call.success.format(waiting),
            "wait": None,
        }


BACKENDLESS_CONFIRMED = (
    '{"message":"User has already confirmed the email address. Email confirmation will not be '
    'sent.","code":3102}'
)
XSOLLA_CONFIRMED = '{"error":{"code":"003-409","description":"User account is already confirmed."}}'
ERRORS = [
    (422, XSOLLA_CONFIRMED),
    (422, XSOLLA_CONFIRMED),
    (400, BACKENDLESS_CONFIRMED),
    (400, BACKENDLESS_CONFIRMED),
    (400, BACKENDLESS_CONFIRMED),
    (
        400,
        '{"code":400,"message":"already.confirmed","statusCode":400,"error":"Bad Request"}',
    ),
    (
        400,
        (
            '{"data":null,"error":{"status":400,"name":"ApplicationError",'
            '"message":"Already confirmed","details":{}}}'
        ),
    ),
]


@pytest.mark.parametrize(("call", "error"), [*zip(CALLS, ERRORS, strict=True)], ids=map(str, CALLS))
def test_page_reads_error(fetch, open_site, call, error):
    """A page of the other origin can read the vendor's error."""
    status, body = error
    with nothing_sent(open_site):
        ending = call.by(fetch, open_site, "confirmed@example.com")
    assert ending == {"status": status, "body": body, "wait": None}


def test_page_reads_quiet_answer(fetch, open_site):
    """A page of the other origin can read the response of the quiet dialect."""
    data = {"email": "nobody@example.com"}
    assert fetch(open_site, "/accounts/resend-confirmation", data) == {
        "status": 200,
        "body": '{"data":{"message":"Please check your inbox. If a root account is associated '
        "with this email and remains unconfirmed, a reconfirmation message should have been "
        'sent."}}',
        "wait": None,
    }


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_page_reads_retry_after(fetch, open_site, sites, call):
    """A page of the other origin can read the header Retry-After."""
    waiting = sites.waiting()
    call.by(fetch, open_site, waiting)
    ending = call.by(fetch, open_site, waiting)
    assert ending["status"] == 429
    assert 0 < int(ending["wait"]) <= 60


@pytest.mark.parametrize("target", ["/confirm/", "/admin/login/", "/inbox/"])
def test_other_pages_stay_closed(fetch, open_site, target):
    """Only the dialects allow the other origin, not the rest of the site."""
    assert fetch(open_site, target) == {"refused": "TypeError"}


def test_other_origins_stay_closed(chromium, fetch, open_site, elsewhere):
    """A third origin is refused, even with the same server."""
    chromium.get(elsewhere.origin.replace("127.0.0.1", "localhost"))
    with nothing_sent(open_site):
        ending = CALLS[0].by(fetch, open_site, "nobody@example.com")
    assert ending == {"refused": "TypeError"}


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_without_cors_the_page_is_refused(fetch, closed_site, call):
    """Without CORS the browser refuses the response."""
    with nothing_sent(closed_site):
        ending = call.by(fetch, closed_site, "nobody@example.net")
    assert ending == {"refused": "TypeError"}


WITH_CREDENTIALS = """
const [url, body, headers, done] = arguments;
const request = new XMLHttpRequest();
request.open("POST", url);
request.withCredentials = true;
for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
request.onload = () => done({status: request.status, body: request.responseText});
request.onerror = () => done({status: request.status});
request.send(body);
"""
WITH_STALE_TOKEN = {"Content-Type": "application/json", "Authorization": "Bearer null"}


@pytest.mark.parametrize(
    ("page", "path", "field", "headers"),
    [
        ("strapi", "/api/auth/send-email-confirmation", "email", WITH_STALE_TOKEN),
        ("strapi", "/auth/send-email-confirmation", "email", WITH_STALE_TOKEN),
        ("quiva", "/accounts/resend-confirmation", "email", WITH_STALE_TOKEN),
        ("backendless", "/api/users/resendconfirmation/{}", "", {"user-token": "null"}),
    ],
)
def test_page_asks_with_credentials(chromium, elsewhere, sites, page, path, field, headers):
    """With the settings of a dialect's page credentials are allowed and ignored."""
    name = f"cors of {page}"
    site = sites.get(name) or sites.start(
        name,
        THROTTLE="off",
        DJANGO_SETTINGS_MODULE="tests.vendor_clients.cors_settings",
        CORS_ALLOWED_ORIGINS=elsewhere.origin,
        CORS_PAGES=page,
    )
    chromium.set_script_timeout(DEADLINE)
    chromium.get(elsewhere.origin)
    waiting = sites.waiting()
    body = json.dumps({field: waiting}) if field else None
    url = site.url + path.format(waiting)
    ending = chromium.execute_async_script(WITH_CREDENTIALS, url, body, headers)
    assert ending["status"] == 200
    assert len(inbox_of(site, waiting)) == 1


# The vendors' bundles, loaded in a page

LOAD = """
const [address, done] = arguments;
const script = document.createElement("script");
script.src = address;
script.onload = () => done(true);
script.onerror = () => done(false);
document.head.append(script);
"""
BACKENDLESS = """
const [init, identity, done] = arguments;
Backendless.initApp(...init).Users.resendEmailConfirmation(identity).then(
    returned => done({returned}),
    error => done({status: error.status, code: error.code, message: error.message}),
);
"""
XSOLLA = """
const [config, username, done] = arguments;
new XsollaLogin.Api(config).resendEmail(username).then(
    returned => done({returned}),
    error => done({code: error.code, message: error.message}),
);
"""


@pytest.fixture
def load(chromium, elsewhere, node_modules):
    """Return a function that loads a package's bundle in a page of the other origin."""
    chromium.set_script_timeout(DEADLINE)
    chromium.get(elsewhere.origin)

    def load(bundle: str) -> None:
        name = bundle.replace("/", "-")
        shutil.copy(node_modules / bundle, elsewhere.folder / name)
        assert chromium.execute_async_script(LOAD, f"/{name}")

    return load


@pytest.mark.node
@pytest.mark.parametrize("form", ["address", "id and key"])
def test_backendless_in_a_page(chromium, load, open_site, sites, form):
    """npm backendless works in a page of the other origin."""
    waiting, url = sites.waiting(), open_site.url
    init = [url] if form == "address" else [{"serverURL": url, "appId": APP, "apiKey": KEY}]
    load("backendless/dist/backendless.min.js")
    with sent_once(open_site, "backendless", waiting):
        assert chromium.execute_async_script(BACKENDLESS, init, waiting) == {"returned": ""}
    assert chromium.execute_async_script(BACKENDLESS, init, "confirmed@example.com") == {
        "status": 400,
        "code": 3102,
        "message": (
            "User has already confirmed the email address. Email confirmation will not be sent."
        ),
    }


@pytest.mark.node
@pytest.mark.parametrize(
    ("dialect", "more"),
    [
        ("xsolla-jwt", {}),
        (
            "xsolla-oauth2",
            {
                "clientId": 57,
                "responseType": "code",
                "state": "state-of-the-game",
            },
        ),
    ],
)
def test_xsolla_in_a_page(chromium, load, open_site, sites, dialect, more):
    """npm @xsolla/login-sdk works in a page of the other origin; it sends credentials."""
    project = "40db2ea4-5d42-11e6-a3ff-005056a0e04a"
    config = {"apiUrl": f"{open_site.url}/api", "projectId": project, **more}
    if dialect == "xsolla-oauth2":
        config["redirectUri"] = f"{open_site.url}/landing/game/"
    waiting = sites.waiting()
    load("@xsolla/login-sdk/dist/sdk.js")
    with sent_once(open_site, dialect, waiting):
        assert chromium.execute_async_script(XSOLLA, config, waiting) == {"returned": ""}
    assert chromium.execute_async_script(XSOLLA, config, "confirmed@example.com") == {
        "code": "003-409",
        "message": "003-409",
    }

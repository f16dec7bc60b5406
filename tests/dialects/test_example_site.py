"""The example site as a newcomer runs it: a separate process, real sockets, a real mailbox."""

import json
import re
import shlex
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import jwt
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.demonstration import Reply, Site, manage, running, wait_for

from .mailbox import Mailbox

pytestmark = [pytest.mark.django, pytest.mark.server]

KEY = "the game's secret, known to its own servers alone, 32 bytes or more"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def site(mailbox, tmp_path_factory) -> Iterator[Site]:
    """The demonstration, sending by SMTP, with its default carrier."""
    _, port = mailbox
    with running(tmp_path_factory.mktemp("smtp"), EMAIL_URL=f"smtp://127.0.0.1:{port}") as site:
        yield site


@pytest.fixture(scope="module")
def inbox_site(tmp_path_factory) -> Iterator[Site]:
    """The demonstration with its defaults, except for a carrier that wakes no courier."""
    with running(tmp_path_factory.mktemp("inbox"), CARRIER="none") as site:
        yield site


@dataclass(frozen=True)
class Way:
    """One dialect's request for an account, its answer, and where its browser lands."""

    dialect: str
    address: str
    target: str
    body: str
    answer: tuple[int, bytes]
    landing: str | None

    def __str__(self) -> str:
        return self.dialect


WAYS = [
    Way(
        "xsolla-oauth2",
        "pending000003@example.com",
        "/api/oauth2/user/resend_confirmation_link?client_id=57&state=state-123",
        '{"username": "pending000003@example.com"}',
        (204, b""),
        "/landing/game/?code=<code>&state=state-123",
    ),
    Way(
        "quiva",
        "pending000004@example.com",
        "/accounts/resend-confirmation",
        '{"email": "pending000004@example.com"}',
        (
            200,
            (
                b'{"data":{"message":"Please check your inbox. If a root account is associated '
                b"with this email and remains unconfirmed, a reconfirmation message should have "
                b'been sent."}}'
            ),
        ),
        "/landing/game/",
    ),
    Way(
        "backendless",
        "pending000005@example.com",
        "/api/users/resendconfirmation/pending000005%40example.com",
        "",
        (200, b""),
        None,
    ),
    Way(
        "strapi",
        "pending000006@example.com",
        "/auth/send-email-confirmation",
        '{"email": "pending000006@example.com"}',
        (200, b'{"email":"pending000006@example.com","sent":true}'),
        "/landing/game/",
    ),
    Way(
        "strapi-v4",
        "pending000007@example.com",
        "/api/auth/send-email-confirmation",
        '{"email": "pending000007@example.com"}',
        (200, b'{"email":"pending000007@example.com","sent":true}'),
        "/landing/game/",
    ),
]
JWT_WAY = Way(
    "xsolla-jwt",
    "pending000008@example.com",
    "/api/user/resend_confirmation_link?projectId=40db2ea4-5d42-11e6-a3ff-005056a0e04a"
    "&payload=level%207",
    '{"username": "pending000008"}',
    (204, b""),
    None,
)


def follow(site: Site, mailbox: Mailbox, way: Way) -> Reply:
    """Ask, read the message, open its link, where nothing changes, and press the button."""
    reply = site.ask("POST", way.target, way.body, JSON if way.body else {})
    assert (reply.status, reply.body) == way.answer

    message = mailbox.message_to(way.address)
    text = message.get_body(["plain"]).get_content()
    (link,) = set(re.findall(r"http://\S+/confirm/\S+", text))
    assert link.startswith(f"http://127.0.0.1:{site.port}/confirm/?token=")
    assert f'href="{link}"' in message.get_body(["html"]).get_content()

    target = link.removeprefix(f"http://127.0.0.1:{site.port}")
    page = site.get(target)
    assert page.status == 200
    assert site.ask("HEAD", target).status == 200
    assert site.state_of(way.address) == "pending"

    action, fields = form_of(page)
    reply = site.ask("POST", action, urlencode(fields), FORM)
    assert site.state_of(way.address) == "confirmed"

    used = site.get(target)
    assert (used.status, "Already confirmed" in used.text) == (200, True)
    return reply


def form_of(page: Reply) -> tuple[str, dict[str, str]]:
    """Return the action of the page's first form, its button and its fields."""
    form = page.text.partition("</form>")[0]
    (action,) = re.findall(r'<form method="post" action="([^"]+)"', form)
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return unescape(action), {name: unescape(value) for name, value in hidden}


@pytest.mark.parametrize("way", [way for way in WAYS if way.landing], ids=str)
def test_button_lands_where_vendor_would(site, mailbox, way):
    """A request, a message, a link, a button: the browser is sent to the registered address."""
    reply = follow(site, mailbox[0], way)
    location = re.sub(r"(?<=\?code=)[^&]+", "<code>", reply.headers["Location"])
    assert (reply.status, location) == (303, f"{site.url}{way.landing}")
    page = site.get(reply.headers["Location"].removeprefix(site.url))
    assert (page.status, "<h1>Back at game</h1>" in page.text) == (200, True)
    assert ('id="code" class="verdict" data-verified="true"' in page.text) is (
        way.dialect == "xsolla-oauth2"
    )


@pytest.mark.parametrize("way", [way for way in WAYS if not way.landing], ids=str)
def test_button_ends_on_page_of_ours(site, mailbox, way):
    """Where the vendor has pages of its own, ours replace them: nothing redirects elsewhere."""
    reply = follow(site, mailbox[0], way)
    assert (reply.status, "Location" in reply.headers) == (200, False)
    assert "Your e-mail address is confirmed." in reply.text


def test_button_lands_with_user_token(site, mailbox):
    """The token in the URL is signed with the client's secret and names the account."""
    before = int(time.time())
    reply = follow(site, mailbox[0], JWT_WAY)
    address, _, query = reply.headers["Location"].partition("?")
    assert (reply.status, address) == (303, f"{site.url}/landing/game/")
    parameters = parse_qs(query, strict_parsing=True)
    assert list(parameters) == ["token"]

    claims = jwt.decode(
        parameters["token"][0],
        KEY,
        algorithms=["HS256"],
        issuer="https://login.xsolla.com",
    )
    assert before <= claims["iat"] <= int(time.time())
    assert claims.pop("exp") - claims.pop("iat") == 24 * 60 * 60
    assert str(uuid.UUID(claims["sub"])) == claims.pop("sub")
    assert claims == {
        "iss": "https://login.xsolla.com",
        "groups": [{"id": 1, "name": "default", "is_default": True}],
        "xsolla_login_project_id": "40db2ea4-5d42-11e6-a3ff-005056a0e04a",
        "type": "xsolla_login",
        "username": "pending000008",
        "email": "pending000008@example.com",
        "payload": "level 7",
    }

    page = site.get(reply.headers["Location"].removeprefix(site.url)).text
    shown = dict(re.findall(r'<tr data-claim="(\w+)">.*?<td>(.*?)</td>', page))
    assert (shown["email"], shown["payload"]) == ("pending000008@example.com", "level 7")
    assert verdict(page) == (
        "true",
        (
            "Valid: its signature (HS256) was verified with the key of this client, "
            "and it has not expired."
        ),
    )
    assert "known to its own servers alone" not in unescape(page)


def verdict(page: str) -> tuple[str, str]:
    """Return what the landing page says of a token: the mark, and the sentence."""
    pattern = r'<p id="token-verdict" class="verdict" data-verified="(\w+)">(.*?)</p>'
    ((mark, text),) = re.findall(pattern, page)
    return mark, unescape(text)


LATER = 4102444800
UNTRUSTED = "Nothing below can be trusted."


@pytest.mark.parametrize(
    ("client", "key", "claims", "text"),
    [
        ("game", "x" * 32, {}, f"Not valid: Signature verification failed. {UNTRUSTED}"),
        ("arcade", KEY, {}, f"Not valid: Signature verification failed. {UNTRUSTED}"),
        ("game", KEY, {"exp": 1}, f"Not valid: Signature has expired. {UNTRUSTED}"),
        ("game", KEY, {"iss": "another"}, f"Not valid: Invalid issuer. {UNTRUSTED}"),
    ],
    ids=["another key", "another client", "expired", "another issuer"],
)
def test_landing_page_does_not_trust(site, client, key, claims, text):
    """A token that the client's server would refuse is decoded, with the reason."""
    usual = {"iss": "https://login.xsolla.com", "exp": LATER, "email": "<b>@example.com"}
    token = jwt.encode(usual | claims, key)
    page = site.get(f"/landing/{client}/?token={token}").text
    assert verdict(page) == ("false", text)
    assert '<tr data-claim="email"><th scope="row">email</th><td>&lt;b&gt;@example.com</td>' in page


def test_landing_page_reads_anything(site):
    """Text that is not a token or a code, and an error, are shown as such."""
    page = site.get("/landing/game/?token=abc&code=abc").text
    assert verdict(page)[0] == "false"
    assert 'id="code" class="verdict" data-verified="false"' in page
    page = site.get("/landing/game/?error_code=010-017&error_description=It+has+expired.").text
    assert "The client shows why: It has expired." in page
    assert site.get("/landing/nobody/").status == 404


def test_code_is_for_one_client(site, mailbox):
    """A code is not valid at another client's landing page."""
    address = "pending000009@example.com"
    way = replace(WAYS[0], address=address, body=json.dumps({"username": address}))
    reply = follow(site, mailbox[0], way)
    query = reply.headers["Location"].partition("?")[2]
    page = site.get(f"/landing/arcade/?{query}").text
    assert 'id="code" class="verdict" data-verified="false"' in page


def test_each_printed_line_works(site, mailbox):
    """Each of the six curl lines, as printed, is answered with success and sends a message."""
    addresses = [
        "pending@example.com",
        "Pending.Upper@Example.com",
        "pending000001@example.com",
        "number@example.com",
        "plus+tag@example.com",
        "pending000002@example.com",
    ]
    lines = [line for line in site.output.splitlines() if line.startswith("curl ")]
    statuses = [_curl(site, line).status for line in lines]
    assert statuses == [204, 204, 200, 200, 200, 200]
    for address in addresses:
        assert (
            mailbox[0].message_to(address)["Subject"]
            == "Please confirm your e-mail address for Example site"
        )


def _curl(site: Site, line: str) -> Reply:
    """Send the request that curl would send with the few options used here."""
    words = shlex.split(line)
    assert words[:4] == ["curl", "-i", "-X", "POST"]
    base = f"http://127.0.0.1:{site.port}"
    url, options = words[4], dict(zip(words[5::2], words[6::2], strict=True))
    assert url.startswith(f"{base}/")
    assert set(options) <= {"-H", "-d"}
    name, _, value = options.get("-H", "Accept: */*").partition(": ")
    return site.ask("POST", url.removeprefix(base), options.get("-d", ""), {name: value})


def test_inbox_shows_message_with_working_links(inbox_site):
    """By default a message goes to the inbox page; its two parts lead to the confirm page."""
    reply = inbox_site.ask(
        "POST", "/auth/send-email-confirmation", '{"email": "pending000009@example.com"}', JSON
    )
    assert reply.status == 200

    entry = re.compile(r'<a href="(/inbox/\d+/)">\s*<span class="to">pending000009@example\.com<')
    found = wait_for(lambda: entry.search(inbox_site.get("/inbox/").text), "the message")
    page = inbox_site.get(found[1])
    link = re.compile(rf'<a [^>]*?href="(http://127\.0\.0\.1:{inbox_site.port}/confirm/[^"]+)"')
    (in_text,) = link.findall(page.text)

    (frame,) = re.findall(r"<iframe ([^>]+)>", page.text)
    attributes = dict(re.findall(r'([a-z]+)="([^"]*)"', frame))
    assert set(attributes["sandbox"].split()) == {
        "allow-popups",
        "allow-popups-to-escape-sandbox",
        "allow-top-navigation-by-user-activation",
    }
    part = inbox_site.get(attributes["src"])
    assert part.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert '<base target="_top">' in part.text
    assert link.findall(part.text) == [in_text, f"{in_text}#not-me"]
    assert re.findall(r"<dd (data-[a-z]+=\S+?)[ >]", page.text) == [
        'data-dialect="strapi"',
        'data-client="game"',
        'data-language="en"',
    ]

    target = unescape(in_text).removeprefix(f"http://127.0.0.1:{inbox_site.port}")
    action, fields = form_of(inbox_site.get(target))
    assert inbox_site.ask("POST", action, urlencode(fields), FORM).status == 303
    assert inbox_site.state_of("pending000009@example.com") == "confirmed"


def test_account_in_bulk_names_its_cooldown(inbox_site):
    """The cooldown that a resend takes is the one that the seeded confirmation names."""
    body = '{"email": "pending000012@example.com"}'
    assert inbox_site.ask("POST", "/auth/send-email-confirmation", body, JSON).status == 200
    assert inbox_site.rows(
        "SELECT hour_count FROM resend_confirmation_cooldown"
        " JOIN resend_confirmation_confirmation ON cooldown_id = digest"
        " WHERE address = 'pending000012@example.com'",
    ) == [(1,)]


def test_inbox_lists_newest_first(inbox_site):
    """The newest message is at the top."""
    for number in (10, 11):
        body = json.dumps({"email": f"pending{number:06}@example.com"})
        assert inbox_site.ask("POST", "/auth/send-email-confirmation", body, JSON).status == 200
        wait_for(lambda body=body: _listed(inbox_site, json.loads(body)["email"]), "the message")
    page = inbox_site.get("/inbox/").text
    assert 0 < page.index("pending000011@example.com") < page.index("pending000010@example.com")


def _listed(site: Site, address: str) -> bool:
    return address in site.get("/inbox/").text


def test_inbox_says_what_a_message_belongs_to(inbox_site):
    """Each message has its dialect, its client and its language, which may be the sign-up's."""
    landing = quote(f"{inbox_site.url}/landing/arcade/?keep=1", safe="")
    target = f"/api/oauth2/user/resend_confirmation_link?client_id=58&redirect_uri={landing}"
    assert inbox_site.ask("POST", target, '{"username": "lena"}', JSON).status == 204
    wait_for(lambda: _listed(inbox_site, "lena@example.com"), "the message")
    page = inbox_site.get("/inbox/").text
    (entry,) = re.findall(r"<li [^>]*>(?:(?!</li>).)*?lena@example.com.*?</li>", page, re.DOTALL)
    assert 'data-dialect="xsolla-oauth2" data-client="arcade" data-language="de"' in entry
    assert '<span lang="de">Deutsch</span>' in entry


def test_news_of_inbox(inbox_site):
    """The script gets the messages after the newest one that it knows, and no other ones."""

    def news(after: str):
        reply = inbox_site.get(f"/inbox/news/?after={after}")
        return json.loads(reply.body)

    before = news("")["newest"]
    body = '{"email": "pablo@example.com"}'
    assert inbox_site.ask("POST", "/auth/send-email-confirmation", body, JSON).status == 200
    wait_for(lambda: news(str(before))["messages"], "the message")
    found = news(str(before))
    assert found["messages"] == [
        {
            "url": f"/inbox/{found['newest']}/",
            "recipient": "pablo@example.com",
            "subject": "Por favor, confirme su dirección de correo electrónico para Example site",
            "dialect": "strapi",
        }
    ]
    assert found["html"].count("<li ") == 1
    assert news(str(found["newest"])) == {"newest": found["newest"], "messages": [], "html": "\n"}
    # The terminal shows other requests.
    assert "/inbox/news/" not in inbox_site.output
    assert '"POST /auth/send-email-confirmation HTTP/1.1" 200' in inbox_site.output


def test_inbox_keeps_non_ascii_address(inbox_site):
    """A message to a non-ASCII address is kept, with its local part unchanged."""
    body = json.dumps({"email": "grüße@bücher.example"})
    assert inbox_site.ask("POST", "/auth/send-email-confirmation", body, JSON).status == 200
    wait_for(lambda: _listed(inbox_site, "grüße@xn--bcher-kva.example"), "the message")


def test_schema_has_six_operations(site):
    """The OpenAPI document names the path of every dialect."""
    reply = site.get("/schema/?format=json")
    assert reply.status == 200
    paths = json.loads(reply.body)["paths"]
    assert {
        "/api/oauth2/user/resend_confirmation_link",
        "/api/user/resend_confirmation_link",
        "/accounts/resend-confirmation",
        "/api/users/resendconfirmation/{identity}",
        "/auth/send-email-confirmation",
        "/api/auth/send-email-confirmation",
    } <= set(paths)


@pytest.mark.parametrize("target", ["/", "/landing/game/", "/docs/", "/inbox/", "/admin/login/"])
def test_page_loads_nothing_from_elsewhere(site, target):
    """Everything that a page loads comes from the site itself, and is there."""
    page = site.get(target)
    assert page.status == 200
    loaded = re.findall(r'<(?:link|script|img|iframe)\b[^>]*?\b(?:href|src)="([^"]+)"', page.text)
    assert loaded
    for each in loaded:
        parts = urlsplit(each)
        assert (parts.scheme, parts.netloc) == ("", "")
        assert site.get(each).status == 200


def test_front_page_says_what_is_where(site):
    """The front page links to the other pages and has the accounts and all six requests."""
    page = unescape(site.get("/").text)
    for target in ("/inbox/", "/docs/", "/schema/", "/admin/"):
        assert f'href="{target}"' in page
    for text in ("Pending.Upper@Example.com", "grüße@bücher.example", "app://xlogin.com.example"):
        assert text in page
    assert re.findall(r"<h3[^>]*>(.+?)</h3>", page) == [
        *("xsolla-oauth2", "xsolla-jwt", "quiva", "backendless", "strapi", "strapi-v4")
    ]


def test_printed_password_opens_admin(site):
    """The password that the demonstration printed logs admin in."""
    (password,) = re.findall(r"/admin/ +user admin, password (\S+)", site.output)
    form = site.get("/admin/login/?next=/admin/")
    cookie = form.headers["Set-Cookie"].partition(";")[0]
    (secret,) = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
    fields = {"csrfmiddlewaretoken": secret, "username": "admin", "next": "/admin/"}
    headers = FORM | {"Cookie": cookie}

    def log_in(password: str):
        body = urlencode(fields | {"password": password})
        return site.ask("POST", "/admin/login/?next=/admin/", body, headers).status

    assert (log_in("not it"), log_in(password)) == (200, 302)


def test_taken_port_is_said(site, tmp_path):
    """A second demonstration at the same place ends at once and says why."""
    ended = manage(tmp_path, "demo", f"127.0.0.1:{site.port}")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"127.0.0.1:{site.port} is in use by another program" in ended.stderr
    assert not (tmp_path / "site.sqlite3").exists()


@pytest.fixture
def heeding():
    """Handle Ctrl-C, which a shell disables in background processes and their children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_demo_ends_when_asked(heeding, tmp_path, how):
    """Ctrl-C, and a service manager's request, end the demonstration without a complaint."""
    with running(tmp_path, CARRIER="none") as site:
        assert site.stop(how) == 0
        assert "Traceback" not in site.output


def test_production_has_no_inbox(tmp_path):
    """Without DEBUG the inbox page is not there, and the front page does not link to it."""
    variables = {"DEBUG": "false", "SECRET_KEY": "of this test", "ALLOWED_HOSTS": "127.0.0.1"}
    with running(tmp_path, **variables) as site:
        assert site.get("/inbox/").status == 404
        front = site.get("/")
        assert (front.status, "/inbox/" in front.text) == (200, False)


SCROLLING = """
return [...document.querySelectorAll("main *")]
    .filter(e => e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX == "auto")
    .map(e => [e.tabIndex, e.getAttribute("role"), e.getAttribute("aria-label")]);
"""


@pytest.mark.chromium
def test_tables_on_a_narrow_screen(chromium, inbox_site):
    """Each region that scrolls can be reached by keyboard, and has a name."""
    chromium.set_window_size(390, 800)
    chromium.get(f"{inbox_site.url}/")
    assert chromium.execute_script(SCROLLING) == [
        [0, "region", "Accounts"],
        [0, "region", "Clients"],
    ]


FOCUSED = "return document.activeElement.getAttribute('aria-label')"
SCROLLED = "return document.activeElement.scrollLeft"


@pytest.mark.chromium
def test_tables_by_keyboard(chromium, inbox_site):
    """The Tab key reaches each table, and an arrow key scrolls it."""
    chromium.set_window_size(390, 800)
    chromium.get(f"{inbox_site.url}/")
    for name in ("Accounts", "Clients"):
        for _ in range(90):
            if chromium.execute_script(FOCUSED) == name:
                break
            ActionChains(chromium).send_keys(Keys.TAB).perform()
        assert chromium.execute_script(FOCUSED) == name
        ActionChains(chromium).send_keys(Keys.ARROW_RIGHT).perform()
        WebDriverWait(chromium, 30).until(lambda browser: browser.execute_script(SCROLLED) > 0)

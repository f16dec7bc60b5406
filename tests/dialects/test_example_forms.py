"""The example site's forms, and its inbox, in Chromium."""

import re
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.demonstration import Site, running

pytestmark = [pytest.mark.server, pytest.mark.chromium]

SECONDS = 60


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """The demonstration with its defaults."""
    with running(tmp_path_factory.mktemp("forms"), THROTTLE="off") as site:
        yield site


@pytest.fixture
def browser(chromium, site):
    """The browser at the front page; its console has no complaint at the end, of the policy say."""
    chromium.get_log("browser")
    chromium.set_window_size(1280, 900)
    chromium.get(f"{site.url}/")
    yield chromium
    messages = [entry["message"] for entry in chromium.get_log("browser")]
    # Chromium logs answers with an error status.
    assert [text for text in messages if "the server responded with a status of" not in text] == []


class Form:
    """The form of a dialect."""

    def __init__(self, browser, dialect: str) -> None:
        self.browser = browser
        self.call = browser.find_element(By.ID, f"call-{dialect}")

    def part(self, name: str):
        return self.call.find_element(By.CSS_SELECTOR, f"[data-{name}]")

    def text(self, name: str) -> str:
        return str(self.part(name).get_attribute("textContent"))

    def fill_in(self, preset: str) -> None:
        self.call.find_element(By.CSS_SELECTOR, f"[data-preset={preset}]").click()

    def type(self, name: str, value: str) -> None:
        field = self.call.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)

    def send(self) -> list[str]:
        """Press Send; return the lines of the answer when there is one, and its message if any."""
        self.part("send").click()
        WebDriverWait(self.browser, SECONDS).until(lambda _: self.state() == "answered")
        return self.text("answer").split("\n")

    def state(self) -> str:
        return str(self.call.get_attribute("data-state"))

    def documented(self) -> list[str]:
        """Return the documented answers that are shown."""
        items = self.call.find_elements(By.CSS_SELECTOR, "[data-statuses]")
        return [item.text for item in items if item.is_displayed()]


DIALECTS = ["xsolla-oauth2", "xsolla-jwt", "quiva", "backendless", "strapi", "strapi-v4"]


def test_script_writes_the_printed_lines(browser, site):
    """The commands that the script writes are those that the terminal shows."""
    printed = re.findall(r"^curl .*$", site.output, re.MULTILINE)
    assert [Form(browser, dialect).text("curl") for dialect in DIALECTS] == printed


@pytest.mark.parametrize(
    ("dialect", "first", "address", "documented"),
    [
        ("xsolla-oauth2", "204 No Content", "pending@example.com", ["204\nNo body."]),
        ("xsolla-jwt", "204 No Content", "Pending.Upper@Example.com", ["204\nNo body."]),
        (
            "quiva",
            "200 OK",
            "pending000001@example.com",
            [
                (
                    "200 Confirmation email sent (always returns success)\n"
                    '{"data": {"message": "Please check your inbox. If a root account is '
                    "associated with this email and remains unconfirmed, a reconfirmation message "
                    'should have been sent."}}'
                )
            ],
        ),
        (
            "backendless",
            "200 OK",
            "number@example.com",
            [
                (
                    "200 None. If the API request completes successfully, it means an email "
                    "confirmation message has been sent to the user. Otherwise, an error will be "
                    "returned.\nNo body."
                )
            ],
        ),
        ("strapi", "200 OK", "plus+tag@example.com", ['200 response\n{"foo": "string"}']),
        ("strapi-v4", "200 OK", "pending000002@example.com", []),
    ],
)
def test_send(browser, dialect, first, address, documented):
    """Each form sends its request, and shows the answer, the documented one and the message."""
    form = Form(browser, dialect)
    assert form.send()[0] == first
    assert form.documented() == documented
    assert form.part("undocumented").is_displayed() is (documented == [])
    link = form.call.find_element(By.CSS_SELECTOR, "[data-mail-link]")
    assert link.text == f"Open the message to {address}"
    link.click()
    shown = browser.find_element(By.CSS_SELECTOR, "dl.headers").text
    assert (address in shown, dialect in shown) == (True, True)


def test_exchange(browser, site):
    """The request and the answer are shown as they are, with the bytes of the body."""
    form = Form(browser, "strapi")
    form.type("email", "nobody's+ü@example.com")
    answer = form.send()
    host = site.url.removeprefix("http://")
    assert form.text("request").split("\n") == [
        "POST /auth/send-email-confirmation HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        "",
        '{"email":"nobody\'s+ü@example.com"}',
    ]
    assert answer[0] == "404 Not Found"
    assert "content-type: application/json" in answer
    body = '{"code":404,"message":"Not found","statusCode":404,"error":"Not Found"}'
    assert answer[-2:] == ["", body]
    assert form.text("length") == "71 bytes"
    assert form.text("hex").split("\n")[0] == (
        "0000  7b 22 63 6f 64 65 22 3a 34 30 34 2c 22 6d 65 73  " + '{"code":404,"mes'
    )
    assert form.documented() == ['404 Not found\n{"code": 0, "message": "string"}']
    assert form.text("curl") == (
        f"curl -i -X POST '{site.url}/auth/send-email-confirmation'"
        " -H 'Content-Type: application/json'"
        """ -d '{"email":"nobody'\\''s+ü@example.com"}'"""
    )
    assert form.text("said") == "Answered 404 Not Found."


def test_identity_in_path(browser, site):
    """An identity in a path is percent-encoded; errors are compared with the documented ones."""
    form = Form(browser, "backendless")
    form.type("identity", "nobody/a?b@example.com")
    assert form.send()[0] == "400 Bad Request"
    line = "POST /api/users/resendconfirmation/nobody%2Fa%3Fb%40example.com HTTP/1.1"
    assert form.text("request").split("\n")[0] == line
    assert form.documented() == [
        (
            "Other statuses: Unable to send email confirmation - user account with the email "
            'cannot be found.\n{"message":error-message, "code":3104}'
        )
    ]


def test_undocumented_answer(browser, site):
    """The page says that the vendor does not document an answer, as that of a cooldown."""
    form = Form(browser, "backendless")
    form.fill_in("portuguese")
    assert form.send()[0] == "200 OK"
    assert form.send()[0] == "429 Too Many Requests"
    assert form.documented() == []
    assert form.part("undocumented").text == "The vendor documents no such answer."


def test_account_of_another_client(browser, site):
    """A button fills in an account that signed up at another client, in another language."""
    form = Form(browser, "xsolla-jwt")
    form.fill_in("french")
    assert form.send()[0] == "204 No Content"
    form.call.find_element(By.CSS_SELECTOR, "[data-mail-link]").click()
    shown = browser.find_element(By.CSS_SELECTOR, "dl.headers").text
    assert re.findall(r"chloe@example.com|xsolla-jwt|arcade|français", shown) == [
        *("chloe@example.com", "xsolla-jwt", "arcade", "français")
    ]


def test_language(browser):
    """The language is sent as a header, and is that of the message and of the command."""
    Select(browser.find_element(By.ID, "language")).select_by_value("de")
    form = Form(browser, "strapi-v4")
    form.type("email", "pending000005@example.com")
    form.send()
    assert "Accept-Language: de" in form.text("request").split("\n")
    assert " -H 'Accept-Language: de' " in form.text("curl")
    form.call.find_element(By.CSS_SELECTOR, "[data-mail-link]").click()
    heading = browser.find_element(By.TAG_NAME, "h1")
    assert heading.text == "Bitte bestätigen Sie Ihre E-Mail-Adresse für Example site"


WIDTHS = "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"


def test_narrow_screen(browser, site):
    """No page is wider than a narrow screen, with an exchange, a message and a token on it."""
    browser.set_window_size(390, 800)
    form = Form(browser, "quiva")
    form.type("email", "pending000009@example.com")
    form.send()
    widths = {"front page": browser.execute_script(WIDTHS)}
    form.call.find_element(By.CSS_SELECTOR, "[data-mail-link]").click()
    widths["message"] = browser.execute_script(WIDTHS)
    for target in ("/inbox/", f"/landing/game/?token={'a' * 500}&code={'b' * 100}"):
        browser.get(f"{site.url}{target}")
        widths[target[:9]] = browser.execute_script(WIDTHS)
    assert {name: inner for name, (inner, outer) in widths.items() if inner > outer} == {}


@pytest.mark.usefixtures("browser")
def test_inbox_refreshes_itself(chromium, site):
    """New messages are put on top and announced; the focus and the place stay as they are."""
    for number in (6, 7):
        ask(site, f"pending{number:06}@example.com")
        chromium.get(f"{site.url}/inbox/")
        wait_for_entry(chromium, f"pending{number:06}@example.com")
    first = chromium.find_element(By.CSS_SELECTOR, "#messages a")
    chromium.execute_script("arguments[0].focus()", first)
    ask(site, "pending000008@example.com")
    wait_for_entry(chromium, "pending000008@example.com")
    entries = chromium.find_elements(By.CSS_SELECTOR, "#messages .to")
    assert [entry.text for entry in entries[:3]] == [
        f"pending{number:06}@example.com" for number in (8, 7, 6)
    ]
    assert chromium.switch_to.active_element == first
    said = chromium.find_element(By.ID, "inbox-status")
    assert said.get_attribute("role") == "status"
    assert said.text == (
        "1 new message: Please confirm your e-mail address for Example site, "
        "to pending000008@example.com"
    )


def ask(site, address):
    headers = {"Content-Type": "application/json"}
    body = f'{{"email": "{address}"}}'
    assert site.ask("POST", "/auth/send-email-confirmation", body, headers).status == 200


def wait_for_entry(browser, address):
    def is_listed(_):
        entries = browser.find_elements(By.CSS_SELECTOR, "#messages .to")
        return address in [entry.text for entry in entries]

    WebDriverWait(browser, SECONDS).until(is_listed)

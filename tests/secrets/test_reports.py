"""Error reports, on the debug page and in mails to ADMINS, contain no token or address."""

import json
import logging
import sys
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.core.signals import got_request_exception
from django.test import Client, RequestFactory
from django.urls import resolve
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from resend_confirmation import clients, conf, engine, redaction, start, tokens
from resend_confirmation.accounts import Account
from resend_confirmation.courier import send_due
from resend_confirmation.dialects.base import ResendView
from resend_confirmation.engine import ResendRequest, Result
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.outcomes import Outcome, Standing
from resend_confirmation.signals import confirmed as confirmed_signal
from tests.factories import queued
from tests.test_link import linked

pytestmark = [pytest.mark.django, pytest.mark.django_db]

ADDRESS = "pending@example.com"
#: The text for ``fail`` in the package's log: the frame, without the message.
KNOWN = "in fail"

KEY = "a-key-of-a-client"
GAME = {"name": "game", "keys": {"acme": [KEY]}}

VIEWS = "resend_confirmation.dialects.base.views"


@pytest.fixture
def token(pending):
    """The token of the message to pending@example.com, which is removed from the outbox."""
    made = linked(pending)
    mail.outbox.clear()
    return made


@pytest.fixture
def browser():
    """A test client that gets error pages instead of exceptions."""
    return Client(raise_request_exception=False)


def fail(*args, **kwargs):
    """Fail as a host's code might, with a local variable that reports may show."""
    known_variable = "seen in reports"
    raise RuntimeError(known_variable.upper())


PRESSES = {
    "GET": lambda browser, token: browser.get(f"/confirm/?token={token}&more=1"),
    "HEAD": lambda browser, token: browser.head(f"/confirm/?token={token}"),
    "POST": lambda browser, token: browser.post("/confirm/", {"token": token, "more": "1"}),
    "POST with both": lambda browser, token: browser.post(
        f"/confirm/?token={token}",
        {"token": token},
        headers={"referer": f"/confirm/?token={token}"},
    ),
    "POST as a form": lambda browser, token: browser.post(
        "/confirm/", f"token={token}", content_type="application/x-www-form-urlencoded"
    ),
    "POST new": lambda browser, token: browser.post("/confirm/new/", {"token": token}),
    "under a server": lambda browser, token: browser.get(
        f"/confirm/?token={token}",
        RAW_URI=f"/confirm/?token={token}",
        REQUEST_URI=f"/confirm/?token={token}",
        HTTP_X_ORIGINAL_URL=f"/confirm/?token={token}",
    ),
}

press = pytest.mark.parametrize("press", PRESSES.values(), ids=PRESSES)


@press
@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_technical_page(token, browser, settings, monkeypatch, press, accept):
    """The debug page shows the error, but not the token."""
    settings.DEBUG = True
    browser.defaults["HTTP_ACCEPT"] = accept
    for name in ("inspect", "confirm", "renew"):
        monkeypatch.setattr(engine, name, fail)
    response = press(browser, token)
    text = response.content.decode()
    assert response.status_code == 500
    assert ("SEEN IN REPORTS" in text) is (response.request["REQUEST_METHOD"] != "HEAD")
    assert token not in text


@press
def test_mail_to_admins(token, browser, monkeypatch, press, reports):
    """The mail to ADMINS shows the error's class and place, but not its text or the token."""
    for name in ("inspect", "confirm", "renew"):
        monkeypatch.setattr(engine, name, fail)
    assert press(browser, token).status_code == 500
    text = reports()
    assert "UnexpectedError" in text
    assert "RuntimeError" in text
    assert "SEEN IN REPORTS" not in text
    assert "WSGIRequest" in text
    assert token not in text


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails(pending, browser, settings, reports, debug):
    """If a receiver of ``confirmed`` fails, neither the page nor the mail shows the token."""
    token = linked(pending)
    mail.outbox.clear()
    settings.DEBUG = debug
    confirmed_signal.connect(fail)
    try:
        response = browser.post("/confirm/", {"token": token})
    finally:
        confirmed_signal.disconnect(fail)
    assert response.status_code == 500
    assert token not in response.content.decode()
    text = reports()
    assert "RuntimeError" in text
    assert ("SEEN IN REPORTS" in text) is debug
    assert token not in text


def test_a_landing_that_fails(token, browser, monkeypatch, reports):
    """If the redirect's URL cannot be built, the logged error has no token or address."""
    monkeypatch.setattr(ResendView, "landing", fail)
    assert browser.post("/confirm/", {"token": token}).status_code == 200
    text = reports()
    assert "No landing URL" in text
    assert token not in text
    assert ADDRESS not in text


def test_a_template_without_a_variable(token, browser, reports, settings, tmp_path):
    """If the host's page uses a missing variable, Django logs the context without the token."""
    (tmp_path / "resend_confirmation").mkdir()
    page = tmp_path / "resend_confirmation" / "page.html"
    page.write_text("{{ missing }}<h1>{{ token }}</h1>")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    assert f"<h1>{token}</h1>" in browser.get("/confirm/", {"token": token}).content.decode()
    text = reports()
    assert "Failed lookup for key [missing]" in text
    assert token not in text


def test_a_message_without_a_variable(pending, reports, settings, tmp_path):
    """If the host's message uses a missing variable, neither the link nor the user is logged."""
    (tmp_path / "resend_confirmation").mkdir()
    page = "{{ missing }}{{ user.missing }}{{ link }} {{ user.username }}"
    (tmp_path / "resend_confirmation" / "message.txt").write_text(page)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    pending.username = "named-in-the-message"
    pending.save()
    start(pending)
    send_due()
    (letter,) = [message for message in mail.outbox if message.to == [ADDRESS]]
    text = reports()
    assert "Failed lookup for key [missing]" in text
    token, _, name = str(letter.body).partition("token=")[2].partition(" ")
    assert (len(token), name) == (tokens.LENGTH, "named-in-the-message")
    assert not any(secret in text for secret in (token, ADDRESS, name))


def test_a_courier_that_fails(pending, reports, monkeypatch):
    """If a message cannot be written, the report has no token or address."""
    made = []

    def write(delivery, confirmation, account, token):
        made.append(token)
        fail()

    monkeypatch.setattr("resend_confirmation.courier.message.write", write)
    queued(pending)
    send_due()
    text = reports()
    assert "could not be processed" in text
    assert KNOWN in text
    assert made[0] not in text
    assert ADDRESS not in text


def test_a_request_that_fails(pending, reports, monkeypatch, change):
    """If a quiet request cannot be resolved, the report has no identity."""
    body = json.dumps({"email": ADDRESS})
    Client().post("/accounts/resend-confirmation", body, content_type="application/json")
    assert Delivery.objects.get().identity == ADDRESS
    monkeypatch.setattr("resend_confirmation.engine.resolution.find_accounts", fail)
    engine.drain()
    text = reports()
    assert "could not be resolved" in text
    assert KNOWN in text
    assert ADDRESS not in text


ASKS = {
    "body": ("/api/oauth2/user/resend_confirmation_link?client_id=57", {"username": ADDRESS}),
    "query": (
        f"/api/oauth2/user/resend_confirmation_link?client_id=57&state={ADDRESS}",
        {"username": ADDRESS},
    ),
    "path": (f"/api/users/resendconfirmation/{ADDRESS}", {}),
    "path, encoded": (f"/api/users/resendconfirmation/{quote(ADDRESS, safe='')}", {}),
    "array": ("/auth/send-email-confirmation", {"email": ADDRESS, "x": [ADDRESS]}),
}


@pytest.mark.parametrize(("path", "body"), ASKS.values(), ids=ASKS)
def test_a_dialect_that_fails(browser, monkeypatch, reports, caplog, path, body):
    """If a dialect fails, neither the mail to ADMINS nor the log shows the input."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(f"{VIEWS}.engine.resend", fail)
    response = browser.post(path, json.dumps(body), content_type="application/json")
    assert response.status_code == 500
    text = reports() + caplog.text
    assert "could not answer" in text
    assert KNOWN in text
    for typed in (ADDRESS, quote(ADDRESS, safe="")):
        assert typed not in text


@pytest.mark.parametrize(("path", "body"), ASKS.values(), ids=ASKS)
def test_a_receiver_of_endings_that_fails(browser, reports, caplog, path, body):
    """If a receiver of ``ended`` fails, its report has no address."""
    from resend_confirmation.signals import ended  # noqa: PLC0415

    caplog.set_level(logging.DEBUG)
    ended.connect(fail)
    try:
        browser.post(path, json.dumps(body), content_type="application/json")
    finally:
        ended.disconnect(fail)
    text = reports() + caplog.text
    assert "SEEN IN REPORTS" in text
    assert ADDRESS not in text


def fail_with_input(*args):
    """Fail as a dialect's method might, in a frame with a variable that holds the input.

    It is called by a generator, below which Django does not hide variables.
    """

    def rows():
        typed = ADDRESS
        yield fail(typed)

    next(rows())


def test_a_method_of_a_dialect_that_fails(browser, monkeypatch):
    """A receiver of ``got_request_exception`` gets the exception, but no variable of its frames."""
    seen = []

    def hear(**_):
        seen.append(ExceptionReporter(None, *sys.exc_info()).get_traceback_html())

    monkeypatch.setattr(f"{VIEWS}.VendorView.find_client", fail_with_input)
    got_request_exception.connect(hear)
    try:
        browser.post("/auth/send-email-confirmation", {"email": ADDRESS}, "application/json")
    finally:
        got_request_exception.disconnect(hear)
    (text,) = seen
    assert "SEEN IN REPORTS" in text
    assert ADDRESS not in text


def test_an_answer_that_fails(browser, monkeypatch, reports):
    """If the error response fails as well, the mail to ADMINS does not show the input."""
    monkeypatch.setattr(f"{VIEWS}.engine.resend", fail)
    path = "/auth/send-email-confirmation"
    view: Any = resolve(path).func
    monkeypatch.setattr(view.cls, "error_body", fail_with_input)
    assert browser.post(path, {"email": ADDRESS}, "application/json").status_code == 500
    text = reports()
    assert "fail_with_input" in text
    assert ADDRESS not in text


# The request


FORM = "A" * tokens.LENGTH


def test_a_request_after_its_token_was_taken():
    """The token is removed from the request's query, body, META, full path and repr."""
    request = RequestFactory().post(
        f"/confirm/?token={FORM}",
        {"token": FORM},
        RAW_URI=f"/confirm/?token={FORM}",
        HTTP_REFERER=f"https://site.example/confirm/?token={FORM}",
    )
    assert request.body
    assert redaction.take(request).token == FORM
    seen = [request.GET, request.POST, request.META, request.get_full_path(), request, request.body]
    assert not any(FORM in repr(part) for part in seen)
    assert request.META["RAW_URI"] == "/confirm/?token=..."
    assert request.get_full_path() == "/confirm/"


def test_a_request_over_asgi():
    """The token is removed from the ASGI scope, from which servers write their access log."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/confirm/",
        "query_string": f"token={FORM}".encode(),
        "headers": [],
    }
    request = ASGIRequest(scope, BytesIO())
    assert redaction.take(request).token == FORM
    assert FORM not in repr([scope, request, request.META, request.GET])


def test_a_path_over_asgi():
    """A token in the path is removed from the scope's path too."""
    path = f"/confirm/?token={FORM}"
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }
    request = ASGIRequest(scope, BytesIO())
    assert FORM in redaction.take(request, f"?token={FORM}").token
    assert (scope["path"], scope["raw_path"]) == ("/confirm/", b"/confirm/")
    assert FORM not in repr([scope, request, request.META, request.path_info])


def test_malformed_token_is_not_looked_for_elsewhere():
    """A malformed token is not replaced elsewhere in the request."""
    request = RequestFactory().get("/confirm/?token=e", HTTP_ACCEPT="text/html, e")
    assert redaction.take(request).token == "e"
    assert request.META["HTTP_ACCEPT"] == "text/html, e"
    assert request.path == "/confirm/"


class HostFilter(SafeExceptionReporterFilter):
    """A host's filter for error reports."""

    cleansed_substitute = "the host's stars"


def test_filter_of_the_host(monkeypatch, rf):
    """A host's filter for error reports stays active, with DEBUG too."""
    monkeypatch.setattr(redaction, "get_default_exception_reporter_filter", HostFilter)
    request = rf.get("/confirm/")
    redaction.take(request)
    reporter = ExceptionReporter(request, None, None, None)
    assert isinstance(reporter.filter, HostFilter)
    assert reporter.filter.is_active(request) is True


# The logs of servers


def record(message, args):
    return logging.LogRecord("gunicorn.access", logging.INFO, "", 0, message, args, None)


@pytest.mark.parametrize(
    ("message", "args", "text"),
    [
        ('"%s" %s %s', (f"GET /confirm/?token={FORM} HTTP/1.1", "200", "7"), "?token=... HTTP"),
        ("%(r)s", ({"r": f"GET /c/?a=1&token={FORM}", "n": 1},), "GET /c/?a=1&token=..."),
        (
            '%s - "%s %s HTTP/%s" %d',
            ("::1", "GET", f"/c/?token={FORM}", "1.1", 200),
            "token=... HT",
        ),
        (f"GET /confirm/?token={FORM}&x=1", (), "?token=...&x=1"),
        (f"GET /auth/email-confirmation?confirmation={FORM} HTTP/1.1", (), "?confirmation=... H"),
        ("GET /?token=%s", ("short",), "?token=short"),
        (f"GET /?token={FORM}A HTTP/1.1", (), "?token=... HTTP"),
        (f"GET /?token=%41{FORM[1:]} HTTP/1.1", (), "?token=... HTTP"),
        (f"GET /confirm/%3Ftoken={FORM} HTTP/1.1", (), "%3Ftoken=... HTTP"),
        (f"GET /?csrftoken={FORM}", (), f"?csrftoken={FORM}"),
        ("Error handling request %s %s", ("GET", f"/c/?token={FORM}"), "/c/?token=..."),
        ('"GET / HTTP/1.1" "%s"', (f"https://a.example/#token={FORM}",), "/#token=..."),
        (f"GET /?token={FORM[:9]}&{FORM[9:]} HTTP/1.1", (), "?token=... HTTP"),
        (["no", "text"], (), "['no', 'text']"),
    ],
)
def test_access_log(message, args, text):
    """In a server's log line only the token is replaced."""
    made = record(message, args)
    assert redaction.AccessLogFilter().filter(made) is True
    assert text in made.getMessage()


@pytest.mark.parametrize("name", redaction.ACCESS_LOGS)
def test_access_logs_are_guarded(name):
    """Each server's logger has the filter exactly once, even if it is installed again."""
    redaction.guard_access_logs()
    filters = logging.getLogger(name).filters
    assert sum(isinstance(each, redaction.AccessLogFilter) for each in filters) == 1


def test_a_page_that_was_not_found(browser, caplog):
    """Django's "Not Found" line for a link that a mail program changed has no token."""
    assert browser.get(f"/confirmed%3Ftoken={FORM}").status_code == 404
    assert caplog.messages == ["Not Found: /confirmed?token=..."]


def test_reprs():
    """A repr does not show the request's input or the account's address."""
    account = Account("a user", ADDRESS, ADDRESS, Standing.PENDING)
    request = ResendRequest(identity=ADDRESS, client=None, payload=ADDRESS, client_state=ADDRESS)
    result = Result(Outcome.SENT, ADDRESS, ADDRESS)
    assert ADDRESS not in repr([account, request, result])


@pytest.mark.parametrize(
    ("read", "wrong"),
    [(conf.get, {"LINK_LIFETIME": "soon"}), (clients.registry, {"CLIENTS": [GAME | {"host": 1}]})],
)
def test_settings_that_are_wrong(settings, read, wrong):
    """The frames of settings that cannot be read show no key of a client."""
    settings.RESEND_CONFIRMATION = {"CLIENTS": [GAME], **wrong}
    with pytest.raises(ImproperlyConfigured) as raised:
        read()
    reporter = ExceptionReporter(None, raised.type, raised.value, raised.tb)
    frames = reporter.get_traceback_frames()
    shown = [
        value
        for frame in frames
        if "resend_confirmation" in frame["filename"]
        for value in frame["vars"]
    ]
    assert len(shown) > 1
    assert KEY not in str(shown)


def test_nothing_is_left_of_a_cooldown(token):
    """The rows of deliveries and cooldowns do not contain the token."""
    for model in (Delivery, Cooldown):
        assert token not in repr(list(model.objects.values()))

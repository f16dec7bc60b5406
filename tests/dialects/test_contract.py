"""What holds for every dialect: every ending, every kind of bad input, and what each costs."""

import asyncio
import json
import logging
import re
from dataclasses import replace
from importlib.util import find_spec
from urllib.parse import unquote

import pytest
from asgiref.sync import async_to_sync
from django.core.asgi import get_asgi_application
from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections, connection, connections
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import NotAuthenticated, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer, StaticHTMLRenderer
from rest_framework.response import Response
from rest_framework.versioning import AcceptHeaderVersioning
from rest_framework.views import APIView

from resend_confirmation import engine
from resend_confirmation.dialects.base.answers import QUIET, missing_rows
from resend_confirmation.engine import backlog
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.outcomes import ENDINGS, DeliveryState, Outcome, Refusal
from tests.factories import PendingFactory, UserFactory

from .cases import ADDRESS, NOW, Ask, Case, Reply, all_cases, module_of, package_dialects, says

CASES = all_cases()
READERS = [case for case in CASES if case.field]

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_reader = pytest.mark.parametrize("case", READERS, ids=str)


# Completeness


@pytest.mark.parametrize("view", package_dialects(), ids=lambda view: view.dialect)
class TestDialectIsComplete:
    """A dialect that comes with the package is finished."""

    def test_rows(self, view):
        """Its table has a row for every ending."""
        assert missing_rows(view.answers) == []

    def test_module(self, view):
        """It has a test module of its vendor's name."""
        assert find_spec(module_of(view)) is not None

    def test_cases(self, view):
        """The contract is run on it, and every ending of it is written out."""
        cases = [case for case in CASES if case.view.dialect == view.dialect]
        assert cases
        assert all(set(case.endings) == set(ENDINGS) for case in cases)


def test_dialects_of_the_package():
    """Six dialects come with the package."""
    assert sorted(view.dialect for view in package_dialects()) == [
        "backendless",
        "quiva",
        "strapi",
        "strapi-v4",
        "xsolla-jwt",
        "xsolla-oauth2",
    ]


# Endings


def pairs(*, quiet: bool):
    """Every case with every ending that its table tells, or does not."""
    chosen = [
        (case, ending)
        for case in CASES
        for ending in ENDINGS
        if ending is not Outcome.SENT and (case.view.answers[ending] is QUIET) is quiet
    ]
    return pytest.mark.parametrize(("case", "ending"), chosen, ids=str)


@pairs(quiet=False)
def test_told_ending_changes_nothing(case, ending, reach, reply, untouched):
    """An ending that is told leaves the database as it was, and no message goes out."""
    ask = reach(case, ending)
    with untouched():
        assert reply(ask) == case.endings[ending]


@pairs(quiet=True)
def test_quiet_ending_sends_nothing(case, ending, reach, reply, delivered):
    """An ending that is not told looks like SENT, and no message goes out."""
    ask = reach(case, ending)
    delivered()
    assert reply(ask) == case.endings[Outcome.SENT]
    assert delivered() == []


@every_case
def test_sent(case, reply, pending, delivered):
    """A pending account gets one message, at the address as stored."""
    assert reply(case.ask(ADDRESS)) == case.endings[Outcome.SENT]
    (message,) = delivered()
    assert message.to == [ADDRESS]


@every_case
def test_headers_of_every_answer(case, send, pending):
    """Success and refusal alike are neither kept nor guessed at, and name no way to log in."""
    wrong = replace(case.ask(ADDRESS), method="GET")
    common = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    for response in (send(case.ask(ADDRESS)), send(case.ask("nobody@example.com")), send(wrong)):
        assert {name: response[name] for name in common} == common
        assert not {"Vary", "WWW-Authenticate", "Set-Cookie"} & set(response.headers)


# Bad input

#: What an identity can be that is nobody's, and the fault's name in ``Case.faults``.
BAD_IDENTITIES = {
    "": "empty",
    "   ": "empty",
    "x" * 244 + "@example.com": "over-long",
    "pending\0@example.com": "NUL",
    "pending@example.com\nBcc: x@example.com": "a line break",
    "\ud800@example.com": "a lone surrogate",
}

#: What a body can be; FIELD stands for the dialect's word.
GOOD = '{"FIELD": "pending@example.com"}'
BAD_BODIES = {
    "nothing": (b"", "missing"),
    "no field": (b"{}", "missing"),
    "an array": (b'["pending@example.com"]', "missing"),
    "null": (b'{"FIELD": null}', "null"),
    "a number": (b'{"FIELD": 123}', "a number"),
    "an object": (b'{"FIELD": {"a": [1]}}', "an object"),
    "the field twice": (
        b'{"FIELD": "x@example.com", "FIELD": "pending@example.com"}',
        "given twice",
    ),
    "cut off": (b'{"FIELD": ', "cut off"),
    "a string": (b'"pending@example.com"', "no object"),
    "a bare null": (b"null", "no object"),
    "UTF-16": (GOOD.encode("utf-16"), "not UTF-8"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "unmarked UTF-16"),
    "Latin-1": ('{"FIELD": "grüße@bücher.example"}'.encode("latin-1"), "not UTF-8"),
    "100,000 brackets": (b"[" * 100_000, "too deep"),
    "10,000 objects": (b'{"FIELD":' * 10_000, "too deep"),
    "100 brackets, closed": (b'{"FIELD": ' + b"[" * 100 + b"]" * 100 + b"}", "too deep"),
    "NaN": (b'{"FIELD": NaN}', "no JSON number"),
    "infinity": (b'{"FIELD": -Infinity}', "no JSON number"),
    "infinity in digits": (b'{"FIELD": 1e999}', "no JSON number"),
    "NaN elsewhere": (b'{"x": NaN, "FIELD": "pending@example.com"}', "no JSON number"),
    "5,000 digits": (b'{"FIELD": ' + b"1" * 5000 + b"}", "no JSON number"),
}


@every_case
@pytest.mark.parametrize(("identity", "fault"), BAD_IDENTITIES.items(), ids=repr)
def test_bad_identity(case, identity, fault, reply, pending, untouched):
    """An identity that can be nobody's is refused in the vendor's words."""
    with untouched():
        assert reply(case.ask(identity)) == case.faults[fault]


@every_reader
@pytest.mark.parametrize(("body", "fault"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_body(case, body, fault, reply, pending, untouched, configure):
    """A body that is wrong is refused in the vendor's words."""
    configure(MAX_BODY=200_000)
    ask = replace(case.ask(""), body=body.replace(b"FIELD", case.field.encode()))
    with untouched():
        assert reply(ask) == case.faults[fault]


@pytest.mark.parametrize("case", [case for case in CASES if not case.field], ids=str)
@pytest.mark.parametrize("body", [body for body, _ in BAD_BODIES.values()], ids=list(BAD_BODIES))
def test_bad_body_of_a_dialect_without(case, body, reply, pending, delivered):
    """A dialect that declares no body never reads one, however bad."""
    assert reply(replace(case.ask(ADDRESS), body=body)) == case.endings[Outcome.SENT]
    assert len(delivered()) == 1


@every_reader
def test_100_000_brackets_are_too_large(case, reply, pending, untouched):
    """With the setting as it is, so deep a body is refused for its size."""
    with untouched():
        ask = replace(case.ask(""), body=b"[" * 100_000)
        assert reply(ask) == case.endings[Refusal.TOO_LARGE]


TEN_MEGABYTES = b'{"pad": "' + b"x" * 10_000_000 + b'"}'


def after_a_huge_body(case: Case) -> Reply:
    """TOO_LARGE, and SENT where a body is never read."""
    return case.endings[Refusal.TOO_LARGE if case.field else Outcome.SENT]


@every_case
def test_huge_body(case, reply, pending, untouched):
    """A body of 10 MB is refused."""
    if not case.field:
        assert reply(replace(case.ask(ADDRESS), body=TEN_MEGABYTES)) == after_a_huge_body(case)
        return
    with untouched():
        assert reply(replace(case.ask(ADDRESS), body=TEN_MEGABYTES)) == after_a_huge_body(case)


@every_case
@pytest.mark.parametrize("size", [0, 1])
def test_body_at_the_limit(case, size, reply, pending):
    """A body of exactly MAX_BODY bytes is read, and one byte more is not."""
    ask = case.ask(ADDRESS)
    padded = ask.body + b" " * (16 * 1024 - len(ask.body) + size)
    expected = after_a_huge_body(case) if size else case.endings[Outcome.SENT]
    assert reply(replace(ask, body=padded)) == expected


def over_asgi(ask: Ask, chunks: list[bytes]) -> Reply:
    """What comes back over ASGI, where a body can come in chunks without a length."""
    path = ask.path if isinstance(ask.path, str) else ask.path.decode("latin-1")
    headers = {"host": "localhost", "transfer-encoding": "chunked"}
    headers |= {name.lower(): value for name, value in ask.headers.items()}
    if ask.content_type:
        headers["content-type"] = ask.content_type
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": ask.method,
        "scheme": "http",
        "path": unquote(path, errors="replace"),
        "raw_path": path.encode("latin-1"),
        "root_path": "",
        "query_string": ask.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }
    events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    events.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict] = []

    async def receive():
        # After the body there is nothing more to come: the caller waits for its answer.
        return events.pop(0) if events else await asyncio.Future()

    async def send(event):
        sent.append(event)

    # As Django's test client does: the test's own connection stays open.
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    try:
        async_to_sync(get_asgi_application())(scope, receive, send)
    finally:
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)
    start, *bodies = sent
    answered = {name.decode().title(): value.decode() for name, value in start["headers"]}
    kept = {name: answered[name] for name in ("Content-Type", "Retry-After") if name in answered}
    return Reply(start["status"], b"".join(event["body"] for event in bodies), kept)


@every_case
def test_huge_body_without_a_length(case, pending, delivered):
    """A body that never says how large it is costs no more than one that does."""
    chunks = [TEN_MEGABYTES[at : at + 1_000_000] for at in range(0, len(TEN_MEGABYTES), 1_000_000)]
    assert over_asgi(case.ask(ADDRESS), chunks) == after_a_huge_body(case)
    assert len(delivered()) == (0 if case.field else 1)


@every_case
def test_over_asgi(case, pending, delivered):
    """A good request is answered the same over ASGI."""
    ask = case.ask(ADDRESS)
    assert over_asgi(ask, [ask.body]) == case.endings[Outcome.SENT]
    assert len(delivered()) == 1


# Identities that look odd, and are somebody's

ODD_ADDRESSES = [
    "a/b@example.com",
    "plus+tag@example.com",
    "100%25@example.com",
    "o'neill@example.com",
    "grüße@bücher.example",
    "пользователь@пример.example",
    "x" * 64 + "@" + "d" * 60 + ".example",
]
#: Whom a slip in decoding would reach.
NEIGHBOURS = [
    "a@example.com",
    "b@example.com",
    "plus@example.com",
    "tag@example.com",
    "100%@example.com",
    "100@example.com",
    "gr@example.com",
]


@every_case
@pytest.mark.parametrize("address", ODD_ADDRESSES)
@pytest.mark.parametrize("over", ["wsgi", "asgi"])
def test_odd_address(case, address, over, reply, delivered, db):
    """Slash, plus, percent, quote and letters beyond ASCII come through, to that account alone."""
    for email in (address, *NEIGHBOURS):
        PendingFactory(email=email)
    ask = case.ask(address)
    answer = reply(ask) if over == "wsgi" else over_asgi(ask, [ask.body])
    assert answer.status == case.endings[Outcome.SENT].status
    assert len(delivered()) == 1
    assert Delivery.objects.values_list("confirmation__address").get() == (address,)


@every_case
@pytest.mark.parametrize("over", ["wsgi", "asgi"])
def test_raw_latin_1(case, over, reply, delivered, db):
    """Raw Latin-1 is read in a path, where clients send it, and refused in JSON."""
    PendingFactory(username="umlaut", email="grüße@bücher.example")
    ask = case.ask("grüße@bücher.example")
    if case.field:
        text = json.dumps({case.field: "grüße@bücher.example"}, ensure_ascii=False)
        ask, expected = replace(ask, body=text.encode("latin-1")), case.faults["not UTF-8"]
    else:
        raw = unquote(str(ask.path)).encode("latin-1")
        ask, expected = replace(ask, path=raw), case.endings[Outcome.SENT]
    assert (reply(ask) if over == "wsgi" else over_asgi(ask, [ask.body])) == expected
    assert len(delivered()) == (0 if case.field else 1)


# What is not trusted, and what does not apply


@every_reader
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json;charset=utf-8",
        "application/json; charset=latin-1",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data",
        "*/*",
        "nonsense",
        "",
    ],
)
def test_content_type(case, content_type, reply, pending, delivered):
    """JSON is JSON, whatever its type says."""
    ask = replace(case.ask(ADDRESS), content_type=content_type)
    assert reply(ask) == case.endings[Outcome.SENT]
    assert len(delivered()) == 1


@every_case
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer stale"},
        {"Authorization": "Basic !!!"},
        {"user-token": "stale"},
        {"X-Api-Key": "stale"},
        {"Cookie": "sessionid=stale-session"},
        {"Accept": "text/html"},
        {"Accept": "application/xml; version=7"},
        {"Accept-Language": "de"},
        {"Origin": "https://evil.example"},
        {"X-HTTP-Method-Override": "GET"},
        {"Expect": "100-continue"},
    ],
    ids=str,
)
def test_header_means_nothing(case, headers, reply, pending, delivered):
    """No credentials are needed and none are refused; nothing is negotiated."""
    ask = case.ask(ADDRESS)
    ask = replace(ask, headers={**ask.headers, **headers})
    assert reply(ask) == case.endings[Outcome.SENT]
    assert len(delivered()) == 1


@every_case
@pytest.mark.parametrize("ending", [Refusal.INVALID, Refusal.WRONG_METHOD], ids=str)
def test_refusals_are_not_negotiated(case, ending, reach, reply):
    """A refusal is the vendor's JSON in the vendor's language, whatever the client accepts."""
    ask = reach(case, ending)
    headers = {**ask.headers, "Accept": "text/html", "Accept-Language": "de"}
    assert reply(replace(ask, headers=headers)) == case.endings[ending]


@every_case
def test_trailing_slash(case, reply, pending, delivered):
    """One trailing slash is taken, and nobody is redirected."""
    ask = case.ask(ADDRESS)
    assert reply(replace(ask, path=f"{ask.path}/")) == case.endings[Outcome.SENT]
    assert len(delivered()) == 1


@every_case
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_wrong_method(case, method, slash, reply, pending, untouched):
    """Any other method gets the vendor's answer, with what is allowed."""
    ask = case.ask(ADDRESS)
    with untouched():
        assert (
            reply(replace(ask, method=method, path=f"{ask.path}{slash}"))
            == (case.endings[Refusal.WRONG_METHOD])
        )


@every_case
def test_head(case, send, pending, untouched):
    """HEAD is a wrong method too, whose answer has no body."""
    with untouched():
        response = send(replace(case.ask(ADDRESS), method="HEAD"))
    assert (response.status_code, response.content, response["Allow"]) == (405, b"", "POST")


class Hostile(BaseParser, BasePermission):
    """Whatever a host may put before its own API; it refuses everything."""

    media_type = "application/hostile"

    def authenticate(self, request):
        raise NotAuthenticated

    def authenticate_header(self, request):
        return "Hostile"

    def has_permission(self, request, view):
        return False

    def allow_request(self, request, view):
        return False

    def wait(self):
        return 3600

    def determine_metadata(self, request, view):
        return {"host": "metadata"}

    def parse(self, stream, media_type=None, parser_context=None):
        raise UnsupportedMediaType(media_type)


def hostile_handler(exc, context):
    """A host's exception handler."""
    return Response({"detail": "the host's"}, status=418)


@pytest.fixture
def hostile_host(monkeypatch, settings):
    """A host whose own API takes other things, says other things and lets nobody in.

    DRF reads its defaults into APIView when it is imported, so that is where they are set.
    """
    monkeypatch.setattr(APIView, "authentication_classes", [Hostile])
    monkeypatch.setattr(APIView, "permission_classes", [Hostile])
    monkeypatch.setattr(APIView, "throttle_classes", [Hostile])
    monkeypatch.setattr(APIView, "parser_classes", [Hostile])
    monkeypatch.setattr(APIView, "renderer_classes", [StaticHTMLRenderer])
    monkeypatch.setattr(APIView, "versioning_class", AcceptHeaderVersioning)
    monkeypatch.setattr(APIView, "metadata_class", Hostile)
    monkeypatch.setattr(JSONRenderer, "compact", False)
    monkeypatch.setattr(JSONRenderer, "ensure_ascii", False)
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "EXCEPTION_HANDLER": f"{__name__}.hostile_handler",
        "ALLOWED_VERSIONS": ["1"],
        "URL_FORMAT_OVERRIDE": "format",
    }
    settings.LANGUAGE_CODE = "de"
    settings.APPEND_SLASH = True
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.middleware.locale.LocaleMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]


@every_case
@pytest.mark.parametrize("ending", ENDINGS, ids=str)
def test_host_does_not_apply(case, ending, hostile_host, reach, send):
    """The host's choices for its own API do not apply to a vendor's, in any ending."""
    ask = reach(case, ending)
    ask = replace(ask, headers={**ask.headers, "Accept-Language": "de"})
    response = send(ask)
    expected = case.endings[ending]
    assert (response.status_code, response.content) == (expected.status, expected.body)
    assert response.headers.get("Content-Type") == expected.headers.get("Content-Type")


@every_case
def test_messages_are_not_translated(case, hostile_host, reply, pending):
    """The framework's own messages, where a vendor's answer has them, stay English."""
    ask = case.ask("")
    asked_in_german = replace(ask, headers={**ask.headers, "Accept-Language": "de"})
    assert reply(asked_in_german).body == case.faults["empty"].body


# Throttle, and a crash inside


@every_case
def test_throttled(case, reply, configure, untouched, clock, db):
    """The third request of a minute, at two a minute, is refused, and refused for nothing."""
    configure(THROTTLE="2/m")
    assert [reply(case.ask("\x07")), reply(case.ask("\x07"))] == [case.endings[Refusal.INVALID]] * 2
    UserFactory(email=ADDRESS)
    with untouched():
        assert reply(case.ask(ADDRESS)) == case.endings[Refusal.THROTTLED]
    clock.epoch += 38
    assert reply(case.ask("\x07")) == case.endings[Refusal.INVALID]


@pytest.fixture
def exceptions():
    """What ``got_request_exception`` was sent for."""
    seen = []

    def receive(sender, request, **kwargs):
        seen.append((sender, request.method))

    got_request_exception.connect(receive)
    yield seen
    got_request_exception.disconnect(receive)


def assert_logged(caplog, dialect: str) -> None:
    """One record, with the traceback, and nothing of the address."""
    (record,) = (r for r in caplog.records if r.levelno >= logging.ERROR)
    assert (record.name, record.getMessage()) == (
        "resend_confirmation",
        f"{dialect} could not answer",
    )
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "kaboom"
    assert ADDRESS not in caplog.text


@every_case
def test_crash_in_the_engine(case, reply, pending, crash, untouched, caplog, exceptions):
    """A crash is answered in the vendor's words; the log and the signal get the traceback."""
    crash(engine, "resend")
    with untouched():
        assert reply(case.ask(ADDRESS)) == case.endings[Refusal.FAILED]
    assert_logged(caplog, case.view.dialect)
    assert exceptions == [(case.view, "POST")]


@every_case
@pytest.mark.parametrize("where", ["find_client", "success_body", "path_values"])
def test_crash_in_the_dialect(case, where, reply, pending, crash, caplog, exceptions):
    """So is a crash before the engine is asked, and one after."""
    crash(case.view, where)
    assert reply(case.ask(ADDRESS)) == case.endings[Refusal.FAILED]
    assert_logged(caplog, case.view.dialect)
    assert len(exceptions) == 1


@every_case
@pytest.mark.django_db(transaction=True)
def test_crash_is_rolled_back(case, reply, pending, crash, untouched, monkeypatch):
    """Under ATOMIC_REQUESTS a crash takes back what the engine wrote, and no message goes out."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    crash(case.view, "success_body")
    with untouched():
        assert reply(case.ask(ADDRESS)) == case.endings[Refusal.FAILED]


@every_case
@pytest.mark.django_db(transaction=True)
def test_success_is_committed(case, reply, pending, delivered, monkeypatch):
    """Under ATOMIC_REQUESTS an ask that ends well stays."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    assert reply(case.ask(ADDRESS)) == case.endings[Outcome.SENT]
    assert len(delivered()) == 1


# Quiet

STATES = [
    Outcome.UNKNOWN,
    Outcome.SENT,
    Outcome.CONFIRMED,
    Outcome.BLOCKED,
    Refusal.NOT_ENABLED,
    Outcome.COOLING_DOWN,
]


@every_case
@pytest.mark.parametrize("ending", STATES, ids=str)
@pytest.mark.parametrize("setting", ["all", True, "listed"], ids=repr)
def test_quiet(case, ending, setting, reach, send, configure, db):
    """Under the host's QUIET all that depends on the account looks the same, to every header."""
    configure(QUIET=[case.view.dialect] if setting == "listed" else setting)
    response = send(reach(case, ending))
    expected = case.endings[Outcome.SENT]
    assert (response.status_code, response.content) == (expected.status, expected.body)
    assert dict(response.headers) == _headers(expected)
    assert Delivery.objects.latest("pk").state == DeliveryState.ASKED


def _headers(reply: Reply) -> dict[str, str]:
    return {
        **reply.headers,
        "Cache-Control": "no-store",
        "Content-Length": str(len(reply.body)),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


@every_case
@pytest.mark.parametrize("ending", [Refusal.THROTTLED, Refusal.WRONG_METHOD], ids=str)
def test_quiet_tells_of_the_caller(case, ending, reach, reply, configure):
    """What depends on the caller alone is told under QUIET as well."""
    configure(QUIET="all")
    assert reply(reach(case, ending)) == case.endings[ending]


@every_case
def test_quiet_for_another_dialect(case, reply, configure, db):
    """QUIET for one dialect does not silence the others."""
    configure(QUIET=["another"])
    assert reply(case.ask(ADDRESS)) == case.endings[Outcome.UNKNOWN]


# Statements per request

CONTROL = re.compile(r"BEGIN|SAVEPOINT|RELEASE|COMMIT|ROLLBACK|SET |START TRANSACTION")


@pytest.fixture
def statements(send, monkeypatch):
    """The statements of an ask, transaction control apart; the 256th row's look apart too."""
    monkeypatch.setattr(backlog, "EVERY", 10**12)

    def statements(ask: Ask) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            send(ask)
        found = [query["sql"] for query in captured.captured_queries]
        return [sql for sql in found if not CONTROL.match(sql)]

    return statements


def verbs(statements: list[str]) -> list[str]:
    return [sql.split()[0] for sql in statements]


quiet_or_silenced = pytest.mark.parametrize(
    ("case", "quiet"),
    [(case, "all") for case in CASES] + [(c, ()) for c in CASES if c.name == "quiva"],
    ids=str,
)


@quiet_or_silenced
@pytest.mark.parametrize("ending", STATES, ids=str)
def test_statements_of_a_quiet_ask(case, quiet, ending, reach, statements, configure):
    """A quiet ask is one INSERT whoever is asked for, and no account is looked at."""
    configure(QUIET=quiet)
    found = statements(reach(case, ending))
    assert verbs(found) == ["INSERT"]
    assert "auth_user" not in found[0]


CANDID = [case for case in CASES if case.name != "quiva"]
candid = pytest.mark.parametrize("case", CANDID, ids=str)


@candid
def test_statements_of_a_candid_ask(case, statements, pending, clock):
    """A message costs three statements, and four the first time that an address is seen."""
    assert verbs(statements(case.ask(ADDRESS))) == ["SELECT", "UPDATE", "INSERT", "INSERT"]
    clock.epoch += 61
    assert verbs(statements(case.ask(ADDRESS))) == ["SELECT", "UPDATE", "INSERT"]


@pytest.mark.parametrize("case", [c for c in CANDID if c.name != "strapi-v4"], ids=str)
@pytest.mark.parametrize("ending", [o for o in Outcome if o is not Outcome.SENT], ids=str)
def test_statements_of_a_refused_ask(case, ending, reach, statements):
    """An ask that is refused costs the look at the account and nothing else."""
    assert verbs(statements(reach(case, ending))) == ["SELECT"]


@every_case
@pytest.mark.parametrize("ending", [e for e in ENDINGS if isinstance(e, Refusal)], ids=str)
def test_statements_without_a_question(case, ending, reach, statements):
    """What is refused before the engine looks costs no statement at all."""
    ask = reach(case, ending)
    quiet = case.name == "quiva" and ending is Refusal.NOT_ENABLED
    assert verbs(statements(ask)) == (["INSERT"] if quiet else [])


class TestUnknownIsQuiet:
    """strapi-v4 answers UNKNOWN as SENT but tells CONFIRMED and BLOCKED.

    So UNKNOWN takes the statements of a pending account, and the cooldown is asked by its own
    row alone: the hint that comes with an account would make known addresses faster.
    """

    CASE = next(case for case in CASES if case.name == "strapi-v4")

    @pytest.mark.parametrize("ending", [Outcome.SENT, Outcome.UNKNOWN], ids=str)
    def test_statements(self, ending, reach, statements, clock):
        """Known or not, the statements are the same: first, again, and too soon."""
        ask = reach(self.CASE, ending)
        assert verbs(statements(ask)) == ["SELECT", "UPDATE", "INSERT", "INSERT"]
        clock.epoch += 15
        # Not by their verbs: MariaDB's driver does not tell the text of an INSERT that failed.
        assert len(statements(ask)) == 4
        clock.epoch += 61
        assert verbs(statements(ask)) == ["SELECT", "UPDATE", "INSERT"]

    @pytest.mark.parametrize("ending", [Outcome.CONFIRMED, Outcome.BLOCKED], ids=str)
    def test_statements_of_what_is_told(self, ending, reach, statements):
        """What is told costs the look at the account alone."""
        assert verbs(statements(reach(self.CASE, ending))) == ["SELECT"]


# Cooldown


@candid
def test_refused_asks_do_not_lengthen_the_cooldown(case, reply, pending, clock, delivered):
    """Clients repeat a 429 by themselves: the wait runs on from the message that went out."""
    assert reply(case.ask(ADDRESS)) == case.endings[Outcome.SENT]
    row = list(Cooldown.objects.values())
    for left in (40, 20, 1):
        clock.epoch = NOW + 60 - left
        assert reply(case.ask(ADDRESS)).headers["Retry-After"] == str(left)
    assert list(Cooldown.objects.values()) == row
    clock.epoch = NOW + 60
    assert reply(case.ask(ADDRESS)) == case.endings[Outcome.SENT]
    assert len(delivered()) == 2


@every_case
def test_unknown_fields(case, reply, pending, delivered):
    """Fields and parameters that a dialect does not declare are ignored, repeated ones too."""
    ask = case.ask(ADDRESS)
    query = "&".join(filter(None, [ask.query, "surprise=1&surprise=2&format=xml&_method=GET"]))
    ask = replace(ask, query=query)
    if case.field:
        extra = b'{"surprise": [1], "surprise": {"x": 1, "x": 2}, '
        ask = replace(ask, body=extra + ask.body.removeprefix(b"{"))
    assert reply(ask) == case.endings[Outcome.SENT]
    assert len(delivered()) == 1


@pytest.mark.parametrize("path", ["/api/user/", "/accounts/x", "/auth/", "/v1/users/x"])
def test_paths_beside(path, reply):
    """A path beside the dialects' is the host's business: the answer is none of ours."""
    assert reply(Ask(path=path)).status == 404


def test_says_is_exact():
    """The comparison itself tells a body, a status and a header apart."""
    assert says(400, b"{}") == Reply(400, b"{}", {"Content-Type": "application/json"})
    assert says(400, b"{}") != says(400, b"{}", {"Retry-After": "1"})
    assert says(204) != says(204, b"{}")

"""For any bytes, through any server, the answer is the vendor's, and nothing crashes."""

import http.client
import json
import logging
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import jsonschema
import pytest
import uvicorn
from django.core.asgi import get_asgi_application
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.db import transaction
from django.test import Client
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from resend_confirmation.outcomes import Outcome, Refusal
from tests.conftest import examples
from tests.demonstration import wait_for
from tests.factories import PendingFactory

from .cases import ADDRESS, Case, Request, all_cases
from .envelopes import ENVELOPES

#: Seconds for an answer, on a machine that is busy with something else.
DEADLINE = 60
#: By which an answer says that it came from a dialect's view.
MARK = "X-Reached"

CASES = all_cases()
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def marking(get_response):
    """A middleware that marks the answers of dialects' views."""

    def middleware(request):
        response = get_response(request)
        match = request.resolver_match
        view = getattr(match.func, "view_class", None) if match else None
        if dialect := getattr(view, "dialect", ""):
            response[MARK] = dialect
        return response

    return middleware


# Inputs


@dataclass(frozen=True)
class Raw:
    """A request as bytes, with its target as it is on the wire."""

    method: bytes
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def is_whole(self) -> bool:
        """Return whether the headers give the right length of the body."""
        lengths = [value for name, value in self.headers if name.lower() == b"content-length"]
        is_chunked = any(name.lower() == b"transfer-encoding" for name, _ in self.headers)
        is_right = lengths == [b"%d" % len(self.body)] or not (lengths or self.body)
        return is_right and not is_chunked

    def on_the_wire(self) -> bytes:
        target = self.path + (b"?" + self.query if self.query else b"")
        lines = [b"%s %s HTTP/1.1" % (self.method, target), b"Connection: close"]
        lines += [b"%s: %s" % header for header in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


def raw(request: Request) -> Raw:
    """Return a good request as bytes."""
    headers = {"Host": "localhost", "Content-Type": request.content_type, **request.headers}
    if request.body:
        headers["Content-Length"] = str(len(request.body))
    return Raw(
        request.method.encode(),
        request.path if isinstance(request.path, bytes) else request.path.encode("latin-1"),
        request.query.encode(),
        tuple((name.encode(), value.encode()) for name, value in headers.items()),
        request.body,
    )


METHODS = ["POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "post"]
TYPES = [
    *("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/html"),
    *("multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=latin-1"),
    *("", "/", ";", "a/b; charset", "application/json; charset*=utf-8''%ff", "a/b;" * 500),
]
# Without base64, idna and other codecs that are not text encodings: with these and any query,
# Django itself cannot create a request, so that no view is called.
CHARSETS = ["utf-8", "utf-16", "utf-32", "utf-7", "cp037", "latin-1", "xyz", "", '"', "\xff"]
#: Of the right form: Django's own middleware replaces what cannot be a session's or CSRF's key.
STALE = "sessionid=stale-session; csrftoken=" + "s" * 32
HEADERS = {
    "Content-Type": st.sampled_from(TYPES)
    | st.sampled_from(CHARSETS).map("application/json; charset={}".format)
    | st.sampled_from(CHARSETS).map("application/x-www-form-urlencoded; charset={}".format),
    "Content-Length": st.sampled_from(["0", "-1", "1", "abc", "1e3", "+5", "0x10", "", "١"]),
    "Transfer-Encoding": st.sampled_from(["chunked", "identity", "gzip, chunked", "\x0b"]),
    "Content-Encoding": st.sampled_from(["gzip", "br", "identity", "xyz"]),
    "Accept": st.sampled_from(["text/html", "*/*;q=0", "application/xml", ";;;", "\xff"]),
    "Accept-Language": st.sampled_from(["de", "*", "xx-" * 300, "de;q=nan", "\xff"]),
    "Host": st.sampled_from(
        ["localhost", "game.backend.example:x", "[::1", "a b", "", "\xff", "*"]
    ),
    "X-HTTP-Method-Override": st.sampled_from(["GET", "DELETE"]),
    "X-Forwarded-For": st.sampled_from(["::ffff:1.2.3.4", ",,,", "x" * 300, "[", "\xff"]),
    "X-Forwarded-Host": st.sampled_from(["evil.example", "\xff"]),
    "Cookie": st.sampled_from([STALE, "=", ";" * 300, "\xff=\xfe"]),
    "Authorization": st.sampled_from(["Basic !!!", "Bearer \xff", "Token"]),
    "Expect": st.just("200-maybe"),
    "Range": st.just("bytes=0-1"),
    "If-None-Match": st.just("*"),
    "application-id": st.sampled_from(["", "\xff", "x" * 300]),
    "secret-key": st.sampled_from(["", "\xff", "x" * 300]),
}
#: Characters allowed in a header's value and in a request line without ending them.
LATIN_1 = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40)
TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_.", min_size=1, max_size=20)
one_header = st.sampled_from(sorted(HEADERS)).flatmap(
    lambda name: st.tuples(st.just(name), HEADERS[name])
) | st.tuples(TOKEN, LATIN_1)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([ADDRESS, "nobody@example.com", "\ud800", "\0", "a" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7"])


def bodies(case: Case) -> st.SearchStrategy[bytes]:
    """Generate bytes, JSON in any encoding, cut or continued, and forms."""
    field = case.field or "email"
    texts = st.one_of(
        JSON.map(json.dumps),
        JSON.map(lambda value: json.dumps({field: value})),
        JSON.map(lambda value: json.dumps({field: value}, ensure_ascii=False)),
        st.lists(JSON, min_size=2, max_size=3).map(
            lambda values: "{" + ", ".join(f'"{field}": {json.dumps(v)}' for v in values) + "}"
        ),
    )
    encoded = st.builds(lambda text, code: text.encode(code, "surrogatepass"), texts, ENCODINGS)
    cut = st.builds(lambda body, at: body[: at % (len(body) + 1)], encoded, st.integers(0, 999))
    form = st.binary(max_size=40).map(
        lambda value: f"{field}=".encode() + quote_from_bytes(value).encode()
    )
    return st.one_of(
        st.binary(max_size=200),
        encoded,
        cut,
        st.builds(bytes.__add__, encoded, st.binary(max_size=5)),
        form,
        form.map(lambda part: b"&".join([part] * 1200)),
        st.just(b" " * 16_385),
    )


def no_breaks(data: bytes) -> bytes:
    """Return ``data`` without the bytes that would end the target in the request line."""
    return bytes(byte for byte in data if byte > 32 and byte not in b"?#\x7f")


segments = st.one_of(
    st.binary(max_size=60).map(lambda data: quote_from_bytes(data).encode()),
    st.binary(max_size=60).map(no_breaks),
    st.text(max_size=40).map(lambda text: no_breaks(text.encode("utf-8", "surrogatepass"))),
    st.sampled_from([b"", b"/", b"//", b"%2e%2e", b"..", b"%00", b"%", b"%zz", b"%FF%FE", b"\xe9"]),
)
queries = st.one_of(
    st.binary(max_size=60).map(lambda data: quote_from_bytes(data, safe="&=").encode()),
    st.binary(max_size=60).map(no_breaks),
    st.sampled_from([b"&" * 2000, b"a=b&" * 1200, b"=", b"%", b"client_id=57&client_id=57"]),
    st.sampled_from([b"client_id=" + b"9" * 5000, b"client_id=-57", b"client_id=%D9%A5%D9%A7"]),
    st.sampled_from([b"client_id=57&state=%FF%FE%00%0A%0D12345", b"projectId=%00", b"locale=%FF"]),
)


TYPE = b"Content-Type"
PARTS = ["method", "path", "query", "headers", "body"]


@st.composite
def requests(draw, case: Case) -> Raw:
    """Generate a good request with some odd parts."""
    request = raw(case.request_for(ADDRESS))
    parts = draw(
        st.sets(st.sampled_from(["method", "path", "query", "headers", "body"]), min_size=1)
    )
    if "method" in parts:
        request = replace(request, method=draw(st.sampled_from(METHODS) | TOKEN).encode())
    if "path" in parts:
        end = request.path.rfind(b"/") + 1 if not case.field else len(request.path)
        request = replace(request, path=request.path[:end] + draw(segments))
    if "query" in parts:
        odd = draw(queries)
        request = replace(request, query=odd if draw(st.booleans()) else request.query + b"&" + odd)
    if "body" in parts:
        body = draw(bodies(case))
        kept = tuple(h for h in request.headers if h[0] != b"Content-Length")
        length = (b"Content-Length", b"%d" % len(body))
        request = replace(request, body=body, headers=(*kept, length))
    if "headers" in parts:
        odd = draw(st.lists(one_header, min_size=1, max_size=4, unique_by=lambda h: h[0].lower()))
        names = {name.lower() for name, _ in odd}
        kept = tuple(h for h in request.headers if h[0].decode().lower() not in names)
        more = tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in odd)
        request = replace(request, headers=(*kept, *more))
    # Django itself cannot make a request of more fields than it allows, where a charset is named;
    # no view is ever asked.
    assume(
        request.query.count(b"&") < 1000 or b"charset" not in dict(request.headers).get(TYPE, b"")
    )
    return request


def plain(case: Case):
    """Return a decorator that adds requests for success, a refusal and a wrong method."""
    good = case.request_for(ADDRESS)

    def begun(test):
        for request in (replace(good, method="GET"), case.request_for("\x07"), good):
            test = example(request=raw(request))(test)
        return test

    return begun


# Expected answers


@dataclass(frozen=True)
class Answered:
    """A response of any server."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Judge:
    """Checks that each answer is the vendor's, and counts the statuses."""

    def __init__(self, caplog) -> None:
        self.caplog = caplog
        self.reached: Counter[int] = Counter()

    def judge(self, case: Case, method: bytes, answered: Answered) -> None:
        """Fail unless ``answered`` is the vendor's; answers of other views are not checked."""
        headers = {name.title(): value for name, value in answered.headers.items()}
        crashes = [r.getMessage() for r in self.caplog.records if r.name == "resend_confirmation"]
        self.caplog.clear()
        assert crashes == []
        assert answered.status < 500
        assert "Set-Cookie" not in headers
        dialect = headers.get(MARK)
        if dialect is None:
            return
        self.reached[answered.status] += 1
        success, error = ENVELOPES[dialect]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert ("Allow" in headers) == (answered.status == 405)
        assert ("Retry-After" in headers) == (answered.status == 429)
        if dialect == case.view.dialect:
            assert answered.status in {reply.status for reply in case.endings.values()}
        if method == b"HEAD":
            assert answered.body == b""
            return
        schema = success if answered.status < 300 else error
        if schema is None:
            assert answered.body == b""
            return
        assert headers["Content-Type"] == "application/json"
        jsonschema.validate(json.loads(answered.body), schema)

    def assert_reached(self, case: Case) -> None:
        """Assert that the requests reached every kind of result."""
        wanted = (Outcome.SENT, Refusal.INVALID, Refusal.WRONG_METHOD)
        assert {case.endings[ending].status for ending in wanted} <= set(self.reached)


@pytest.fixture
def judge(caplog, settings) -> Judge:
    settings.MIDDLEWARE = [f"{__name__}.marking", *settings.MIDDLEWARE]
    caplog.set_level(logging.WARNING)
    return Judge(caplog)


# Through Django's handler


def through_handler(request: Raw) -> Answered:
    """Return the answer of Django's handler to the environ that a server would create."""
    environ: dict[str, Any] = {
        "CONTENT_LENGTH": str(len(request.body)),
        "CONTENT_TYPE": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
    }
    for name, value in request.headers:
        key = name.decode().upper().replace("-", "_")
        is_own = key in {"CONTENT_TYPE", "CONTENT_LENGTH"}
        environ[key if is_own else f"HTTP_{key}"] = value.decode("latin-1")
    browser = Client(raise_request_exception=False, enforce_csrf_checks=True)
    with transaction.atomic():
        response = browser.generic(request.method.decode(), "/", request.body, **environ)
        transaction.set_rollback(True)
    headers = dict(response.headers)
    if response.cookies:
        headers["Set-Cookie"] = response.cookies.output(header="")
    return Answered(response.status_code, headers, response.content)


@every_case
def test_through_the_handler(case, judge, pending):
    """Every request that a server passes on is answered in the vendor's envelope."""

    @settings(max_examples=examples(40))
    @plain(case)
    @given(request=requests(case))
    def fuzz(request):
        judge.judge(case, request.method, through_handler(request))

    fuzz()
    judge.assert_reached(case)


# Through servers


@contextmanager
def wsgi() -> Iterator[int]:
    """Run Django's development server on a free port."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(WSGIHandler())
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def asgi() -> Iterator[int]:
    """Run uvicorn on a free port."""
    config = uvicorn.Config(
        get_asgi_application(), port=0, http="h11", ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, "uvicorn")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def over_socket(port: int, request: Raw) -> Answered | None:
    """Return the response to the bytes of a request; None if the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        with suppress(OSError):
            connection.sendall(request.on_the_wire())
            if not request.is_whole:
                # More than there is may be promised: let no server wait for it.
                connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection, method=request.method.decode())
        try:
            response.begin()
            body = response.read()
        except (http.client.HTTPException, ConnectionError):
            return None
        finally:
            response.close()
        return Answered(response.status, dict(response.getheaders()), body)


@pytest.mark.server
@pytest.mark.database
@pytest.mark.django
@every_case
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("serve", [wsgi, asgi], ids=["wsgi", "asgi"])
def test_over_a_socket(case, serve, judge):
    """All bytes sent over a socket are answered in this way, by a WSGI and by an ASGI server."""
    PendingFactory(username="pending", email=ADDRESS)
    with serve() as port:

        @settings(max_examples=examples(15))
        @plain(case)
        @given(request=requests(case))
        def fuzz(request):
            answered = over_socket(port, request)
            if answered is not None:
                judge.judge(case, request.method, answered)

        fuzz()
    judge.assert_reached(case)

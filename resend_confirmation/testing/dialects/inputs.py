"""Tests of bad input (identities, bodies, headers) and of unusual identities."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest
from rest_framework import serializers

from ...dialects.base import body as request_body
from ...dialects.base.parsing import header_of
from ...models import Delivery
from ...outcomes import Outcome, Refusal
from .asgi import over_asgi
from .case import ADDRESS, Case, Reply, Request
from .contract import Contract, where
from .site import Site

#: Identities that cannot match an account, each with the fault's name in ``Case.faults``.
BAD_IDENTITIES = {
    "": "empty",
    "   ": "blank",
    "x" * 244 + "@example.com": "over-long",
    "pending\0@example.com": "NUL",
    "pending@example.com\nBcc: x@example.com": "a line break",
    "\ud800@example.com": "a lone surrogate",
}

#: A good body, and bad ones with the fault's name. FIELD stands for the dialect's key.
GOOD = '{"FIELD": "pending@example.com"}'
BAD_BODIES = {
    "nothing": (b"", "missing"),
    "no field": (b"{}", "missing"),
    "an array": (b'["pending@example.com"]', "missing"),
    "null": (b'{"FIELD": null}', "null"),
    "a number": (b'{"FIELD": 123}', "a number"),
    "an object": (b'{"FIELD": {"a": [1]}}', "an object"),
    "an array of addresses": (
        b'{"FIELD": ["pending@example.com", "thief@evil.example"]}',
        "an object",
    ),
    "an array of one": (b'{"FIELD": ["pending@example.com"]}', "an object"),
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

#: Values of each JSON type, alone and nested.
JSON_VALUES = (
    *("null", "true", "0", "-1.5", "1e300", '""', '"x"', '"\\ud800"', "[]", "{}", "[[]]"),
    *("[null]", '[["x", 1]]', '[{"x": [null]}]', '{"x": null}', '{"x": {"x": [0]}}'),
    '{"": 1, "": 2}',
)
#: Values for a header or a query parameter.
TEXTS = ("", " ", "null", "-1", "[]", "{}", "x" * 600, "\u0660", "a,b", "%", "\t")

TEN_MEGABYTES = b'{"pad": "' + b"x" * 10_000_000 + b'"}'

ODD_ADDRESSES = [
    "a/b@example.com",
    "plus+tag@example.com",
    "100%25@example.com",
    "o'neill@example.com",
    "grüße@bücher.example",
    "пользователь@пример.example",
    "x" * 64 + "@" + "d" * 60 + ".example",
]
#: Addresses that a mistake in decoding an odd address could reach.
LOOKALIKES = [
    "a@example.com",
    "b@example.com",
    "plus@example.com",
    "tag@example.com",
    "100%@example.com",
    "100@example.com",
    "gr@example.com",
]


def assert_answered(case: Case, site: Site, request: Request, caplog: Any) -> None:
    """Assert that a request gets a response in the vendor's form and that no error is logged."""
    reply = site.reply(request)
    assert reply != case.endings[Refusal.FAILED], request
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], request
    # The first text begins an error response of DRF, the second an HTML page of Django.
    assert b'{"detail":' not in reply.body, request
    assert not reply.body.startswith(b"<"), request


def _names(inputs: type[serializers.Serializer[Any]] | None) -> list[str]:
    return list(inputs().fields) if inputs else []


def _paths(form: Any) -> Iterator[tuple[str, ...]]:
    """Yield the path to each declared key, including nested ones."""
    for name, field in form.fields.items():
        yield (name,)
        if isinstance(field, serializers.Serializer):
            yield from ((name, *path) for path in _paths(field))


def _with(good: Any, path: tuple[str, ...], text: str) -> bytes:
    """Return the JSON text of ``good`` with ``text`` as the value at ``path``."""
    name, *rest = path
    below = good.get(name)
    value = _with(below if isinstance(below, dict) else {}, tuple(rest), text) if rest else text
    others = [f"{json.dumps(key)}: {json.dumps(good[key])}" for key in good if key != name]
    inner = value.decode() if isinstance(value, bytes) else value
    return ("{" + ", ".join([*others, f"{json.dumps(name)}: {inner}"]) + "}").encode()


def reads_body(case: Case) -> bool:
    """Return whether the dialect reads a body."""
    return bool(case.field)


def after_a_huge_body(case: Case) -> Reply:
    """Return the reply to a huge body: TOO_LARGE, or SENT if the dialect reads no body."""
    return case.endings[Refusal.TOO_LARGE if case.field else Outcome.SENT]


class BadInput(Contract):
    """Tests of bad input: it gets the vendor's error or is ignored, and never causes a crash."""

    @pytest.mark.parametrize(("identity", "fault"), BAD_IDENTITIES.items(), ids=repr)
    def test_bad_identity(self, case: Case, identity: str, fault: str, site: Site) -> None:
        """An identity that cannot match an account gets the vendor's error."""
        site.pending()
        with site.assert_unchanged():
            assert site.reply(case.request_for(identity)) == case.faults[fault]

    @where(reads_body)
    @pytest.mark.parametrize("name", BAD_BODIES)
    def test_bad_body(
        self, case: Case, name: str, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A bad body gets the vendor's error."""
        site.pending()
        monkeypatch.setattr(request_body, "MAX_BODY", 200_000)
        body, fault = BAD_BODIES[name]
        # A vendor that repeats the input in its errors has several replies to one fault.
        fault = name if name in case.faults else fault
        request = replace(case.request_for(""), body=body.replace(b"FIELD", case.field.encode()))
        with site.assert_unchanged():
            assert site.reply(request) == case.faults[fault]

    @where(lambda case: not reads_body(case))
    @pytest.mark.parametrize("name", ["cut off", "not UTF-8"])
    def test_bad_body_of_a_dialect_without(self, case: Case, name: str, site: Site) -> None:
        """A dialect that declares no body does not read one, not even a bad one."""
        site.pending()
        body = GOOD.encode("utf-16") if name == "not UTF-8" else b"{"
        request = replace(case.request_for(ADDRESS), body=body)
        assert site.reply(request) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

    @where(reads_body)
    def test_100_000_brackets_are_too_large(self, case: Case, site: Site) -> None:
        """With the limit unchanged, 100,000 brackets are refused because of their size."""
        site.pending()
        with site.assert_unchanged():
            request = replace(case.request_for(""), body=b"[" * 100_000)
            assert site.reply(request) == case.endings[Refusal.TOO_LARGE]

    @where(reads_body)
    def test_any_json_under_any_key(self, case: Case, site: Site, caplog: Any) -> None:
        """Each JSON type under each declared key of the body is answered without a crash."""
        site.pending()
        assert case.view.body_class is not None
        good = json.loads(case.request_for(ADDRESS).body)
        for path in _paths(case.view.body_class()):
            for value in JSON_VALUES:
                request = replace(case.request_for(ADDRESS), body=_with(good, path, value))
                assert_answered(case, site, request, caplog)

    @where(lambda case: case.view.query_class or case.view.header_class)
    def test_any_text_in_query_and_headers(self, case: Case, site: Site, caplog: Any) -> None:
        """Any text in a declared header or query parameter is answered without a crash."""
        site.pending()
        request = case.request_for(ADDRESS)
        for text in TEXTS:
            for name in _names(case.view.query_class):
                kept = [p for p in request.query.split("&") if p.partition("=")[0] != name]
                query = "&".join([*kept, urlencode({name: text})])
                assert_answered(case, site, replace(request, query=query), caplog)
            for name in _names(case.view.header_class):
                headers = {**request.headers, header_of(name): text}
                assert_answered(case, site, replace(request, headers=headers), caplog)

    def test_huge_body(self, case: Case, site: Site) -> None:
        """A body of 10 MB is refused, or not read at all if the dialect does not read bodies."""
        site.pending()
        request = replace(case.request_for(ADDRESS), body=TEN_MEGABYTES)
        assert site.reply(request) == after_a_huge_body(case)
        assert len(site.delivered()) == (0 if case.field else 1)

    @pytest.mark.parametrize("size", [0, 1])
    def test_body_at_the_limit(self, case: Case, size: int, site: Site) -> None:
        """A body of exactly 16 KiB is accepted, and one byte more is too large."""
        site.pending()
        request = case.request_for(ADDRESS)
        padded = request.body + b" " * (16 * 1024 - len(request.body) + size)
        expected = after_a_huge_body(case) if size else case.endings[Outcome.SENT]
        assert site.reply(replace(request, body=padded)) == expected

    def test_huge_body_without_a_length(self, case: Case, site: Site) -> None:
        """A huge body without a Content-Length gets the same reply as one with it."""
        site.pending()
        size = 1_000_000
        chunks = [TEN_MEGABYTES[at : at + size] for at in range(0, len(TEN_MEGABYTES), size)]
        assert over_asgi(case.request_for(ADDRESS), chunks) == after_a_huge_body(case)
        assert len(site.delivered()) == (0 if case.field else 1)

    def test_unknown_fields(self, case: Case, site: Site) -> None:
        """Undeclared inputs are ignored, even if they are sent twice."""
        site.pending()
        request = case.request_for(ADDRESS)
        extra_query = "surprise=1&surprise=2&format=xml&_method=GET"
        request = replace(request, query="&".join(filter(None, [request.query, extra_query])))
        if case.field:
            extra = b'{"surprise": [1], "surprise": {"x": 1, "x": 2}, '
            request = replace(request, body=extra + request.body.removeprefix(b"{"))
        assert site.reply(request) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1


def answered(site: Site, over: str, request: Request) -> Reply:
    """Send a request over WSGI or ASGI and return the reply."""
    return site.reply(request) if over == "wsgi" else over_asgi(request, [request.body])


class Identities(Contract):
    """Tests of unusual identities that match an account."""

    @pytest.mark.parametrize(
        ("over", "address"),
        [("wsgi", address) for address in ODD_ADDRESSES]
        + [("asgi", address) for address in ODD_ADDRESSES if quote(address, "@+'") != address],
    )
    def test_odd_address(self, case: Case, address: str, over: str, site: Site) -> None:
        """An address with a slash, plus, percent, quote or non-ASCII letter matches only itself."""
        for number, email in enumerate((address, *LOOKALIKES)):
            site.pending(f"player{number}", email)
        reply = answered(site, over, case.request_for(address))
        assert reply.status == case.endings[Outcome.SENT].status
        assert len(site.delivered()) == 1
        assert Delivery.objects.values_list("confirmation__address").get() == (address,)

    @where(lambda case: case.field or case.is_in_path)
    @pytest.mark.parametrize("over", ["wsgi", "asgi"])
    def test_raw_latin_1(self, case: Case, over: str, site: Site) -> None:
        """Raw Latin-1 is accepted in a path, since clients send it there, and refused in JSON."""
        site.pending("umlaut", "grüße@bücher.example")
        request = case.request_for("grüße@bücher.example")
        if case.field:
            given = {**json.loads(request.body), case.field: "grüße@bücher.example"}
            text = json.dumps(given, ensure_ascii=False)
            request, expected = (
                replace(request, body=text.encode("latin-1")),
                case.faults["not UTF-8"],
            )
        else:
            raw = unquote(str(request.path)).encode("latin-1")
            request, expected = replace(request, path=raw), case.endings[Outcome.SENT]
        assert answered(site, over, request) == expected
        assert len(site.delivered()) == (0 if case.field else 1)

    def test_over_asgi(self, case: Case, site: Site) -> None:
        """A good request gets the same reply over ASGI."""
        site.pending()
        request = case.request_for(ADDRESS)
        assert over_asgi(request, [request.body]) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

"""Bad input: identities that are nobody's, bodies that are broken, too deep or too large."""

import json
from dataclasses import replace
from urllib.parse import unquote

import pytest

from ...models import Delivery
from ...outcomes import Outcome, Refusal
from .asgi import over_asgi
from .case import ADDRESS, Ask, Case, Reply
from .contract import Contract, where
from .site import Site

#: What an identity can be that is nobody's, and the fault's name in ``Case.faults``.
BAD_IDENTITIES = {
    "": "empty",
    "   ": "blank",
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


def reads_body(case: Case) -> bool:
    """Whether the dialect reads a body."""
    return bool(case.field)


def after_a_huge_body(case: Case) -> Reply:
    """TOO_LARGE, and SENT where a body is never read."""
    return case.endings[Refusal.TOO_LARGE if case.field else Outcome.SENT]


class BadInput(Contract):
    """What is wrong is refused in the vendor's words, and for nothing."""

    @pytest.mark.parametrize(("identity", "fault"), BAD_IDENTITIES.items(), ids=repr)
    def test_bad_identity(self, case: Case, identity: str, fault: str, site: Site) -> None:
        """An identity that can be nobody's is refused in the vendor's words."""
        site.pending()
        with site.untouched():
            assert site.reply(case.ask(identity)) == case.faults[fault]

    @where(reads_body)
    @pytest.mark.parametrize("name", BAD_BODIES)
    def test_bad_body(self, case: Case, name: str, site: Site) -> None:
        """A body that is wrong is refused in the vendor's words."""
        site.pending()
        site.configure(MAX_BODY=200_000)
        body, fault = BAD_BODIES[name]
        # Where the vendor says again what was sent, one fault has several answers.
        fault = name if name in case.faults else fault
        ask = replace(case.ask(""), body=body.replace(b"FIELD", case.field.encode()))
        with site.untouched():
            assert site.reply(ask) == case.faults[fault]

    @where(lambda case: not reads_body(case))
    @pytest.mark.parametrize(
        "body", [body for body, _ in BAD_BODIES.values()], ids=list(BAD_BODIES)
    )
    def test_bad_body_of_a_dialect_without(self, case: Case, body: bytes, site: Site) -> None:
        """A dialect that declares no body never reads one, however bad."""
        site.pending()
        ask = replace(case.ask(ADDRESS), body=body)
        assert site.reply(ask) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

    @where(reads_body)
    def test_100_000_brackets_are_too_large(self, case: Case, site: Site) -> None:
        """With the setting as it is, so deep a body is refused for its size."""
        site.pending()
        with site.untouched():
            ask = replace(case.ask(""), body=b"[" * 100_000)
            assert site.reply(ask) == case.endings[Refusal.TOO_LARGE]

    def test_huge_body(self, case: Case, site: Site) -> None:
        """A body of 10 MB is refused, or not read at all."""
        site.pending()
        ask = replace(case.ask(ADDRESS), body=TEN_MEGABYTES)
        assert site.reply(ask) == after_a_huge_body(case)
        assert len(site.delivered()) == (0 if case.field else 1)

    @pytest.mark.parametrize("size", [0, 1])
    def test_body_at_the_limit(self, case: Case, size: int, site: Site) -> None:
        """A body of exactly MAX_BODY bytes is read, and one byte more is not."""
        site.pending()
        ask = case.ask(ADDRESS)
        padded = ask.body + b" " * (16 * 1024 - len(ask.body) + size)
        expected = after_a_huge_body(case) if size else case.endings[Outcome.SENT]
        assert site.reply(replace(ask, body=padded)) == expected

    def test_huge_body_without_a_length(self, case: Case, site: Site) -> None:
        """A body that never says how large it is costs no more than one that does."""
        site.pending()
        size = 1_000_000
        chunks = [TEN_MEGABYTES[at : at + size] for at in range(0, len(TEN_MEGABYTES), size)]
        assert over_asgi(case.ask(ADDRESS), chunks) == after_a_huge_body(case)
        assert len(site.delivered()) == (0 if case.field else 1)

    def test_unknown_fields(self, case: Case, site: Site) -> None:
        """What a dialect does not declare is ignored, what comes twice too."""
        site.pending()
        ask = case.ask(ADDRESS)
        extra_query = "surprise=1&surprise=2&format=xml&_method=GET"
        ask = replace(ask, query="&".join(filter(None, [ask.query, extra_query])))
        if case.field:
            extra = b'{"surprise": [1], "surprise": {"x": 1, "x": 2}, '
            ask = replace(ask, body=extra + ask.body.removeprefix(b"{"))
        assert site.reply(ask) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1


def answered(site: Site, over: str, ask: Ask) -> Reply:
    """What comes back over one of the two ways into Django."""
    return site.reply(ask) if over == "wsgi" else over_asgi(ask, [ask.body])


class Identities(Contract):
    """Identities that look odd, and are somebody's."""

    @pytest.mark.parametrize("address", ODD_ADDRESSES)
    @pytest.mark.parametrize("over", ["wsgi", "asgi"])
    def test_odd_address(self, case: Case, address: str, over: str, site: Site) -> None:
        """Slash, plus, percent, quote and letters beyond ASCII reach that account alone."""
        for number, email in enumerate((address, *NEIGHBOURS)):
            site.pending(f"player{number}", email)
        reply = answered(site, over, case.ask(address))
        assert reply.status == case.endings[Outcome.SENT].status
        assert len(site.delivered()) == 1
        assert Delivery.objects.values_list("confirmation__address").get() == (address,)

    @where(lambda case: case.field or case.is_in_path)
    @pytest.mark.parametrize("over", ["wsgi", "asgi"])
    def test_raw_latin_1(self, case: Case, over: str, site: Site) -> None:
        """Raw Latin-1 is read in a path, where clients send it, and refused in JSON."""
        site.pending("umlaut", "grüße@bücher.example")
        ask = case.ask("grüße@bücher.example")
        if case.field:
            given = {**json.loads(ask.body), case.field: "grüße@bücher.example"}
            text = json.dumps(given, ensure_ascii=False)
            ask, expected = replace(ask, body=text.encode("latin-1")), case.faults["not UTF-8"]
        else:
            raw = unquote(str(ask.path)).encode("latin-1")
            ask, expected = replace(ask, path=raw), case.endings[Outcome.SENT]
        assert answered(site, over, ask) == expected
        assert len(site.delivered()) == (0 if case.field else 1)

    def test_over_asgi(self, case: Case, site: Site) -> None:
        """A good request is answered the same over ASGI."""
        site.pending()
        ask = case.ask(ADDRESS)
        assert over_asgi(ask, [ask.body]) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

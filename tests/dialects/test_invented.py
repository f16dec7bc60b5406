"""The base carries a dialect of a foreign shape without being changed for it."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest
from rest_framework import serializers

from resend_confirmation.dialects.base.answers import missing_rows
from resend_confirmation.dialects.base.rendering import VendorJSONRenderer
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.outcomes import Outcome, Refusal

from .cases import ADDRESS, Case, Endings, Request, expected
from .invented import InventedResend

pytestmark = pytest.mark.urls("tests.dialects.invented")


def ask(identity, client="game", **more):
    query = urlencode({"who": identity, "app": client or "nobody", **more})
    return Request(path="/resend/please", query=query, method="PUT", content_type="")


SENDS = expected(202, b'"on its way to pending@example.com"')
ANSWERS: Endings = {
    Outcome.SENT: SENDS,
    Outcome.UNKNOWN: expected(404, b'{"oops":"who?"}'),
    Outcome.CONFIRMED: expected(410, b'{"oops":"done already"}'),
    Outcome.BLOCKED: expected(451, b'{"oops":"no"}'),
    Outcome.COOLING_DOWN: expected(420, b'{"oops":"calm down"}', {"Retry-After": "45"}),
    Refusal.INVALID: expected(422, b'{"oops":"who, please?"}'),
    Refusal.UNKNOWN_CLIENT: expected(401, b'{"oops":"whose app?"}'),
    Refusal.NOT_ENABLED: expected(409, b'{"oops":"not here"}'),
    Refusal.REDIRECT_REQUIRED: expected(422, b'{"oops":"where to?"}'),
    Refusal.THROTTLED: expected(420, b'{"oops":"calm down"}', {"Retry-After": "37"}),
    Refusal.WRONG_METHOD: expected(405, b'{"oops":"PUT it"}', {"Allow": "PUT"}),
    Refusal.FAILED: expected(503, b'{"oops":"oh dear"}'),
}
CASE = Case(
    name="invented",
    view=InventedResend,
    ask=ask,
    endings=ANSWERS,
    faults={},
    names_client=True,
)


def test_table_is_total():
    """A new dialect is finished when no ending is without a row."""
    assert missing_rows(InventedResend.answers) == []
    short = dict(InventedResend.answers)
    del short[Outcome.BLOCKED]
    assert missing_rows(short) == [Outcome.BLOCKED]


@pytest.mark.parametrize("ending", ANSWERS, ids=str)
def test_ending(ending, arrange, reply):
    """Another method, a query alone and a bare string come to every ending."""
    assert reply(arrange(CASE, ending)) == ANSWERS[ending]


def test_narrower_row(reply, pending):
    """A row for one field is used for that field alone."""
    assert reply(replace(ask(ADDRESS), query=f"who={ADDRESS}")) == expected(
        422, b'{"oops":"what?"}'
    )


def test_body_is_not_read(reply, pending):
    """A dialect that declares no body never reads one."""
    assert reply(replace(ask(ADDRESS), body=b"{")) == SENDS


def test_redirect(reply, pending):
    """It may name a redirect, since its query declares one."""
    assert reply(ask(ADDRESS, client="arcade", then="https://arcade.example/a")) == SENDS
    assert Delivery.objects.get().redirect == "0"


def test_quiet(reply, pending, configure):
    """It is quiet like any other where the host says so."""
    configure(QUIET=["invented"])
    assert reply(ask("nobody")) == expected(202, b'"on its way to nobody"')


@pytest.mark.parametrize("quiet", [False, True])
def test_answer_is_built_once(reply, pending, configure, monkeypatch, quiet):
    """The body of success is built once and rendered once: what is sent is what was rendered."""
    built, rendered = [], []
    render = VendorJSONRenderer.render

    def success_body(view, answer, result):
        built.append(result.identity)
        return f"number {len(built)}"

    def counted(*args, **kwargs):
        rendered.append(args[1])
        return render(*args, **kwargs)

    monkeypatch.setattr(InventedResend, "success_body", success_body)
    monkeypatch.setattr(VendorJSONRenderer, "render", counted)
    configure(QUIET=["invented"] if quiet else [])
    assert reply(ask(ADDRESS)) == expected(202, b'"number 1"')
    assert (built, rendered) == ([ADDRESS], ["number 1"])


@pytest.mark.parametrize("quiet", [False, True])
def test_rendering_that_fails(reply, pending, configure, monkeypatch, quiet):
    """FAILED means that nothing was written, if it is only the rendering that fails."""
    body = {"number": float("nan")}
    monkeypatch.setattr(InventedResend, "success_body", lambda *args: body)
    monkeypatch.setattr(InventedResend, "success_class", serializers.DictField)
    configure(QUIET=["invented"] if quiet else [])
    assert reply(ask(ADDRESS)) == expected(503, b'{"oops":"oh dear"}')
    assert (Delivery.objects.count(), Cooldown.objects.count()) == (0, 0)

"""Fixtures for asking a dialect, for getting it into each of its endings, and for looking after."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client
from django.utils import timezone

from resend_confirmation import engine
from resend_confirmation.engine import Result
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import Ending, Outcome, Refusal
from tests.factories import PendingFactory, UserFactory

from .cases import ADDRESS, NOW, Ask, Case, link_of, seen, token_of


class Clock:
    """The time, standing still until it is moved."""

    def __init__(self) -> None:
        self.epoch = float(NOW)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.epoch, UTC)

    def time(self) -> float:
        return self.epoch


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """Both clocks that the package reads, standing still."""
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock.now)
    monkeypatch.setattr(time, "time", clock.time)
    # The courier's clock is the database's, where that has one.
    monkeypatch.setattr("resend_confirmation.courier.clock.now", clock.now)
    return clock


@pytest.fixture
def configure(settings):
    """Change some keys of the settings' dict."""

    def configure(**changes):
        settings.RESEND_CONFIRMATION = {**settings.RESEND_CONFIRMATION, **changes}

    return configure


@pytest.fixture
def default_client(configure, settings):
    """Make one of the test site's clients the one of requests that name none."""

    def default_client(name: str):
        known = settings.CLIENTS
        configure(CLIENTS=[{**entry, "default": entry["name"] == name} for entry in known])

    return default_client


@pytest.fixture
def send(db):
    """Ask as a server would hand the request on: the path decoded once, in WSGI's Latin-1."""

    def send(ask: Ask):
        browser = Client(raise_request_exception=False, enforce_csrf_checks=True)
        return browser.generic(
            ask.method,
            "/",
            ask.body,
            content_type=ask.content_type,
            headers=ask.headers,
            PATH_INFO=unquote_to_bytes(ask.path).decode("latin-1"),
            QUERY_STRING=ask.query,
        )

    return send


@pytest.fixture
def reply(send):
    """What comes back to an ask."""
    return lambda ask: seen(send(ask))


@pytest.fixture
def delivered(db):
    """The messages that went out since the last look."""

    def delivered():
        while not engine.drain().idle:
            pass
        messages, mail.outbox[:] = list(mail.outbox), []
        return messages

    return delivered


def _rows() -> list[list[Any]]:
    models: tuple[Any, ...] = (get_user_model(), Confirmation, Delivery, Cooldown, Suppression)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


@pytest.fixture
def untouched(delivered):
    """Within it nothing in the database may change, and no message may come of it."""

    @contextmanager
    def untouched() -> Iterator[None]:
        delivered()
        before = _rows()
        yield
        assert _rows() == before
        assert delivered() == []

    return untouched


@pytest.fixture
def press(client):
    """Open the link of a message, where nothing may change, and press its button."""

    def press(message):
        before = _rows()
        page = client.get(link_of(message))
        assert (page.status_code, client.head(link_of(message)).status_code) == (200, 200)
        assert f'name="token" value="{token_of(message)}"' in page.content.decode()
        assert _rows() == before
        return client.post("/confirm/", {"token": token_of(message)})

    return press


class CrashError(Exception):
    """What no code of ours raises."""


@pytest.fixture
def crash(monkeypatch):
    """Make a function of an object raise; its text must reach the log and never a caller."""

    def crash(owner, name):
        def crashes(*args, **kwargs):
            raise CrashError("kaboom")

        monkeypatch.setattr(owner, name, crashes)

    return crash


#: The ask that ends so, where it is another than a good one; each only where it can be sent.
BAD_ASKS: dict[Ending, Callable[[Case], Ask]] = {
    Refusal.INVALID: lambda case: case.ask("\x07"),
    Refusal.MALFORMED: lambda case: replace(case.ask(ADDRESS), body=b"{"),
    Refusal.TOO_LARGE: lambda case: replace(case.ask(ADDRESS), body=b" " * 16_385),
    Refusal.NOT_ENABLED: lambda case: case.ask(ADDRESS, client="kiosk"),
    Refusal.UNKNOWN_CLIENT: lambda case: case.ask(ADDRESS, client=None),
    Refusal.REDIRECT_REQUIRED: lambda case: case.ask(ADDRESS, client="arcade"),
    Refusal.REDIRECT_NOT_ALLOWED: lambda case: case.ask(ADDRESS, redirect="https://x.example/"),
    Refusal.WRONG_METHOD: lambda case: replace(case.ask(ADDRESS), method="GET"),
}


def _is_out_of_reach(case: Case, ending: Ending) -> bool:
    """Whether no request to the dialect can end so."""
    if ending in {Refusal.MALFORMED, Refusal.TOO_LARGE}:
        return not case.field
    redirects = {Refusal.REDIRECT_REQUIRED, Refusal.REDIRECT_NOT_ALLOWED}
    return ending in redirects and not case.view.names_redirect


def _make_account(ending: Ending) -> None:
    match ending:
        case Outcome.UNKNOWN:
            pass
        case Outcome.CONFIRMED:
            UserFactory(username="pending", email=ADDRESS)
        case _:
            active = ending is not Outcome.BLOCKED
            PendingFactory(username="pending", email=ADDRESS, is_active=active)


@pytest.fixture
def reach(send, clock, configure, default_client, crash, monkeypatch, delivered):
    """Bring about what an ending needs; what is returned is the ask that ends so.

    Endings that a dialect's requests cannot come to are put into the engine's mouth, since a
    table has to be total.
    """

    def cool(case: Case) -> None:
        send(case.ask(ADDRESS))
        delivered()
        clock.epoch += 15

    def throttle(case: Case) -> None:
        configure(THROTTLE="2/m")
        send(case.ask("\x07"))
        send(case.ask("\x07"))

    def forget_clients(case: Case) -> None:
        if not case.names_client:
            configure(CLIENTS=[])

    preparations: dict[Ending, Callable[[Case], None]] = {
        Outcome.COOLING_DOWN: cool,
        Refusal.THROTTLED: throttle,
        Refusal.NOT_ENABLED: lambda case: default_client("kiosk"),
        Refusal.UNKNOWN_CLIENT: forget_clients,
        Refusal.FAILED: lambda case: crash(engine, "resend"),
    }

    def reach(case: Case, ending: Ending) -> Ask:
        _make_account(ending)
        if prepare := preparations.get(ending):
            prepare(case)
        if _is_out_of_reach(case, ending):
            monkeypatch.setattr(engine, "resend", lambda request: Result(ending))
            return case.ask(ADDRESS)
        bad_ask = BAD_ASKS.get(ending)
        return bad_ask(case) if bad_ask else case.ask(ADDRESS)

    return reach

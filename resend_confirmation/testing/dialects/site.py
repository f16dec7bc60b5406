"""A site to ask: its settings, its clock, its accounts, and each ending brought about."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from ... import engine, start
from ...engine import Result, backlog
from ...engine.draining import BATCH
from ...models import Confirmation, Cooldown, Delivery, Suppression
from ...outcomes import DeliveryState, Ending, Outcome, Refusal
from ...throttling import storing, throttle
from ...throttling.circuit_breaker import CircuitBreaker
from ...throttling.rates import Memory
from .case import ADDRESS, Case, Reply, Request, to_reply

#: Seconds since the epoch when a test begins.
NOW = 1_800_000_055
#: Seconds before NOW when the throttle's calls were made: 37 later than NOW they do not count.
CALLED = 23

#: What a new project of Django's has between the browser and its views.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


class Clock:
    """The time, standing still until it is moved."""

    def __init__(self) -> None:
        self.epoch = float(NOW)

    def now(self) -> datetime:
        """The time as Django has it."""
        moment = datetime.fromtimestamp(self.epoch, UTC)
        return moment if settings.USE_TZ else timezone.make_naive(moment)

    def time(self) -> float:
        """The time as Python has it."""
        return self.epoch


class CrashError(Exception):
    """What no code of ours raises."""


def make_account(username: str, email: str, *, is_active: bool = True) -> Any:
    """An account of Django's user model that nobody asked to confirm anything."""
    manager: Any = get_user_model()._default_manager
    return manager.create_user(username=username, email=email, is_active=is_active)


def forget_counts(monkeypatch: Any) -> None:
    """Let counters that live as long as a process start anew for a test."""
    cache.clear()
    backlog.reset()
    monkeypatch.setattr(throttle, "counts", Memory(throttle.MOST_COUNTS))
    monkeypatch.setattr(throttle, "breaker", CircuitBreaker())
    monkeypatch.setattr(storing, "lately", Memory(storing.MOST_COUNTS))


#: The ask that ends so, where it is another than a good one; each only where it can be sent.
BAD_REQUESTS: dict[Ending, Callable[[Case], Request]] = {
    Refusal.INVALID: lambda case: case.ask("\x07"),
    Refusal.MALFORMED: lambda case: replace(case.ask(ADDRESS), body=b"{"),
    Refusal.TOO_LARGE: lambda case: replace(case.ask(ADDRESS), body=b" " * 16_385),
    Refusal.NOT_ENABLED: lambda case: case.ask(ADDRESS, client="kiosk"),
    Refusal.UNKNOWN_CLIENT: lambda case: case.ask(ADDRESS, client=None),
    Refusal.REDIRECT_REQUIRED: lambda case: case.ask(ADDRESS, client="arcade"),
    Refusal.REDIRECT_NOT_ALLOWED: lambda case: case.ask(ADDRESS, redirect="https://x.example/"),
    Refusal.WRONG_METHOD: lambda case: replace(case.ask(ADDRESS), method=wrong_method(case)),
}


def wrong_method(case: Case) -> str:
    """A method that the dialect does not answer."""
    return "GET" if case.view.method != "get" else "POST"


def _is_out_of_reach(case: Case, ending: Ending) -> bool:
    """Whether no request to the dialect can end so."""
    if ending in {Refusal.MALFORMED, Refusal.TOO_LARGE}:
        return not case.field
    redirects = {Refusal.REDIRECT_REQUIRED, Refusal.REDIRECT_NOT_ALLOWED}
    return ending in redirects and not case.view.names_redirect


def _is_anything_due() -> bool:
    """Return whether the courier would find a delivery to resolve or to send, now or later."""
    waiting = (DeliveryState.ASKED, DeliveryState.QUEUED)
    return Delivery.objects.filter(state__in=waiting).exists()


class Site:
    """A site under test; ``settings`` and ``monkeypatch`` are pytest's fixtures.

    ``make_account`` makes an account of the host's user model.
    """

    def __init__(
        self, settings: Any, monkeypatch: Any, make_account: Callable[..., Any] = make_account
    ) -> None:
        self.settings = settings
        self.monkeypatch = monkeypatch
        self.make_account = make_account
        self._clock: Clock | None = None

    def configure_site(self, case: Case) -> None:
        """Keep only the clients and the account store of what the host has set."""
        found = self.settings.RESEND_CONFIRMATION
        self.settings.RESEND_CONFIRMATION = {
            "BASE_URL": "https://site.example",
            "CARRIER": "none",
            "THROTTLE": None,
            "CLIENTS": list(case.clients or found["CLIENTS"]),
            **({"ACCOUNTS": found["ACCOUNTS"]} if "ACCOUNTS" in found else {}),
        }
        self.settings.RATELIMIT_ENABLE = True
        self.settings.MIDDLEWARE = MIDDLEWARE
        in_memory = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
        # Each change leaves a context variable behind, and asgiref goes through all of them.
        if in_memory != self.settings.CACHES:
            self.settings.CACHES = in_memory
        forget_counts(self.monkeypatch)

    def configure(self, **changes: Any) -> None:
        """Change some keys of the settings' dict."""
        self.settings.RESEND_CONFIRMATION = {**self.settings.RESEND_CONFIRMATION, **changes}

    def default_client(self, name: str) -> None:
        """Make one of the clients that of requests that name none."""
        known = self.settings.RESEND_CONFIRMATION["CLIENTS"]
        self.configure(CLIENTS=[{**entry, "default": entry["name"] == name} for entry in known])

    @property
    def clock(self) -> Clock:
        """Both clocks that the package reads; they stand still from the first look on."""
        if self._clock is None:
            self._clock = clock = Clock()
            self.monkeypatch.setattr(timezone, "now", clock.now)
            self.monkeypatch.setattr(time, "time", clock.time)
            # The package's own clock is the database's, where that has one.
            self.monkeypatch.setattr("resend_confirmation.database.now", clock.now)
            self.monkeypatch.setattr("resend_confirmation.database.latest", clock.now)
        return self._clock

    # Asking

    @staticmethod
    def send(ask: Request) -> Any:
        """Ask as a server would hand the request on: the path decoded once, in WSGI's Latin-1."""
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

    def reply(self, ask: Request) -> Reply:
        """What comes back to an ask."""
        return to_reply(self.send(ask))

    def delivered(self) -> list[Any]:
        """Return the messages that went out since the last look."""
        while True:
            done = engine.drain()
            if done.idle or max(done.resolved, done.carried) < BATCH:
                break
        messages, mail.outbox[:] = list(mail.outbox), []
        return messages

    @staticmethod
    def rows() -> list[list[Any]]:
        """All that is in the database."""
        models: tuple[Any, ...] = (
            get_user_model(),
            Confirmation,
            Delivery,
            Cooldown,
            Suppression,
        )
        return [list(model._default_manager.order_by("pk").values()) for model in models]

    @contextmanager
    def assert_unchanged(self) -> Iterator[None]:
        """Within it nothing in the database may change, and no message may come of it."""
        if _is_anything_due():
            self.delivered()
        mail.outbox.clear()
        before = self.rows()
        yield
        assert self.rows() == before
        assert not _is_anything_due()
        assert mail.outbox == []

    # Who is there, and what goes wrong

    def pending(self, username: str = "pending", email: str = ADDRESS, **given: Any) -> Any:
        """An account that waits; nothing was sent yet, no cooldown runs."""
        account = self.make_account(username, email, **given)
        start(account, send=False)
        return account

    def crash(self, owner: object, name: str) -> None:
        """Make a function raise; its text must reach the log and never a caller."""

        def crashes(*args: Any, **kwargs: Any) -> None:
            raise CrashError("kaboom")

        self.monkeypatch.setattr(owner, name, crashes)

    def arrange(self, case: Case, ending: Ending) -> Request:
        """Bring about what an ending needs, and stop the clock: the ask that ends so.

        Endings that a dialect's requests cannot come to are put into the engine's mouth, since
        a table has to be total.
        """
        assert self.clock.epoch
        match ending:
            case Outcome.UNKNOWN:
                pass
            case Outcome.CONFIRMED:
                self.make_account("pending", ADDRESS)
            case _:
                self.pending(is_active=ending is not Outcome.BLOCKED)
        self._prepare(case, ending)
        if _is_out_of_reach(case, ending):
            self.monkeypatch.setattr(engine, "resend", lambda request: Result(ending))
            return case.ask(ADDRESS)
        bad_ask = BAD_REQUESTS.get(ending)
        return bad_ask(case) if bad_ask else case.ask(ADDRESS)

    def _prepare(self, case: Case, ending: Ending) -> None:
        match ending:
            case Outcome.COOLING_DOWN:
                self.send(case.ask(ADDRESS))
                self.delivered()
                self.clock.epoch += 15
            case Refusal.THROTTLED:
                self.configure(THROTTLE="2/m")
                self.clock.epoch -= CALLED
                self.send(case.ask("\x07"))
                self.send(case.ask("\x07"))
                self.clock.epoch += CALLED
            case Refusal.NOT_ENABLED:
                self.default_client("kiosk")
            case Refusal.UNKNOWN_CLIENT if not case.names_client:
                self.configure(CLIENTS=[])
            case Refusal.FAILED:
                self.crash(engine, "resend")

"""A site under test: settings, clock, accounts, and the setup for each ending."""

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
from ...engine import Result, backlog, records
from ...engine.loop import BATCH
from ...models import Confirmation, Cooldown, Delivery, Suppression
from ...outcomes import DeliveryState, Ending, Outcome, Refusal
from ...throttling import throttle
from ...throttling.circuit_breaker import CircuitBreaker
from ...throttling.rates import Memory
from .case import ADDRESS, Case, Reply, Request, to_reply

#: Time at which a test begins, in seconds since the epoch.
NOW = 1_800_000_053
#: Seconds before NOW at which the throttle counts requests. They count until 37 s after NOW.
CALLED = 23

#: The middlewares of a new Django project.
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
    """A clock that stands still until a test changes ``epoch``."""

    def __init__(self) -> None:
        self.epoch = float(NOW)

    def now(self) -> datetime:
        """Return the time as ``django.utils.timezone.now`` does."""
        moment = datetime.fromtimestamp(self.epoch, UTC)
        return moment if settings.USE_TZ else timezone.make_naive(moment)

    def time(self) -> float:
        """Return the time as ``time.time`` does."""
        return self.epoch


class CrashError(Exception):
    """Exception that only tests raise."""


def make_account(username: str, email: str, *, is_active: bool = True) -> Any:
    """Create an account of the user model without starting a confirmation."""
    manager: Any = get_user_model()._default_manager
    return manager.create_user(username=username, email=email, is_active=is_active)


def forget_counts(monkeypatch: Any) -> None:
    """Clear the cache and reset the counters and the circuit breaker of this process."""
    cache.clear()
    backlog.reset()
    records.reset()
    monkeypatch.setattr(throttle, "counts", Memory(throttle.MOST_COUNTS))
    monkeypatch.setattr(throttle, "breaker", CircuitBreaker())
    monkeypatch.setattr(throttle, "lately", Memory(throttle.MOST_COUNTS))


#: Requests for the endings that a good request does not lead to. They are built lazily, since not
#: every dialect can receive all of them.
BAD_REQUESTS: dict[Ending, Callable[[Case], Request]] = {
    Refusal.INVALID: lambda case: case.request_for("\x07"),
    Refusal.MALFORMED: lambda case: replace(case.request_for(ADDRESS), body=b"{"),
    Refusal.TOO_LARGE: lambda case: replace(case.request_for(ADDRESS), body=b" " * 16_385),
    Refusal.NOT_ENABLED: lambda case: case.request_for(ADDRESS, client="kiosk"),
    Refusal.UNKNOWN_CLIENT: lambda case: case.request_for(ADDRESS, client=None),
    Refusal.REDIRECT_REQUIRED: lambda case: case.request_for(ADDRESS, client="arcade"),
    Refusal.REDIRECT_NOT_ALLOWED: lambda case: case.request_for(
        ADDRESS, redirect="https://x.example/"
    ),
    Refusal.WRONG_METHOD: lambda case: replace(
        case.request_for(ADDRESS), method=wrong_method(case)
    ),
}


def wrong_method(case: Case) -> str:
    """Return a method that the dialect refuses."""
    return "GET" if case.view.method != "get" else "POST"


def _is_out_of_reach(case: Case, ending: Ending) -> bool:
    """Return whether no request to the dialect can lead to ``ending``."""
    if ending in {Refusal.MALFORMED, Refusal.TOO_LARGE}:
        return not case.field
    redirects = {Refusal.REDIRECT_REQUIRED, Refusal.REDIRECT_NOT_ALLOWED}
    return ending in redirects and not case.view.names_redirect


def _is_anything_due() -> bool:
    """Return whether any delivery is still to be resolved or sent, now or later."""
    waiting = (DeliveryState.ASKED, DeliveryState.QUEUED)
    return Delivery.objects.filter(state__in=waiting).exists()


class Site:
    """A site under test; ``settings`` and ``monkeypatch`` are pytest's fixtures.

    ``make_account`` creates an account of the host's user model.
    """

    def __init__(
        self, settings: Any, monkeypatch: Any, make_account: Callable[..., Any] = make_account
    ) -> None:
        self.settings = settings
        self.monkeypatch = monkeypatch
        self.make_account = make_account
        self._clock: Clock | None = None

    def configure_site(self, case: Case) -> None:
        """Replace the host's settings, except for its account store and its clients.

        The clients are replaced too if the case has its own.
        """
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
        # Only if different: each change leaves a context variable behind, and asgiref iterates
        # over all of them.
        if in_memory != self.settings.CACHES:
            self.settings.CACHES = in_memory
        forget_counts(self.monkeypatch)

    def configure(self, **changes: Any) -> None:
        """Change some keys of the package's settings."""
        self.settings.RESEND_CONFIRMATION = {**self.settings.RESEND_CONFIRMATION, **changes}

    def default_client(self, name: str) -> None:
        """Make the client ``name`` the default for requests that do not name one."""
        known = self.settings.RESEND_CONFIRMATION["CLIENTS"]
        self.configure(CLIENTS=[{**entry, "default": entry["name"] == name} for entry in known])

    @property
    def clock(self) -> Clock:
        """The clock of Django, Python and the package, which stands still from the first access."""
        if self._clock is None:
            self._clock = clock = Clock()
            self.monkeypatch.setattr(timezone, "now", clock.now)
            self.monkeypatch.setattr(time, "time", clock.time)
            # The package reads the time from the database, if the database has a clock.
            self.monkeypatch.setattr("resend_confirmation.database.now", clock.now)
            self.monkeypatch.setattr("resend_confirmation.database.latest", clock.now)
        return self._clock

    # Requests

    @staticmethod
    def send(request: Request) -> Any:
        """Send a request as a WSGI server passes it on: the path decoded once, as Latin-1."""
        browser = Client(raise_request_exception=False, enforce_csrf_checks=True)
        return browser.generic(
            request.method,
            "/",
            request.body,
            content_type=request.content_type,
            headers=request.headers,
            PATH_INFO=unquote_to_bytes(request.path).decode("latin-1"),
            QUERY_STRING=request.query,
        )

    def reply(self, request: Request) -> Reply:
        """Send a request and return the reply."""
        return to_reply(self.send(request))

    def delivered(self) -> list[Any]:
        """Send what is due and return the messages sent since the last call."""
        while True:
            done = engine.drain()
            if done.idle or max(done.resolved, done.processed) < BATCH:
                break
        messages, mail.outbox[:] = list(mail.outbox), []
        return messages

    @staticmethod
    def rows() -> list[list[Any]]:
        """Return all rows of the user model and of the models that messages depend on."""
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
        """Assert that the block changes no row, sends no message and leaves no delivery due.

        Deliveries that are due before the block are sent first.
        """
        if _is_anything_due():
            self.delivered()
        mail.outbox.clear()
        before = self.rows()
        yield
        assert self.rows() == before
        assert not _is_anything_due()
        assert mail.outbox == []

    # Accounts and failures

    def pending(self, username: str = "pending", email: str = ADDRESS, **given: Any) -> Any:
        """Create a pending account, without a message sent and without a cooldown."""
        account = self.make_account(username, email, **given)
        start(account, send=False)
        return account

    def crash(self, owner: object, name: str) -> None:
        """Make a function raise CrashError. The error's text must not reach log or caller."""

        def crashes(*args: Any, **kwargs: Any) -> None:
            raise CrashError("kaboom")

        self.monkeypatch.setattr(owner, name, crashes)

    def arrange(self, case: Case, ending: Ending) -> Request:
        """Stop the clock, set the site up for ``ending`` and return the request that leads to it.

        Endings that no request to the dialect can reach are stubbed by patching the engine,
        since the table must cover every ending.
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
            return case.request_for(ADDRESS)
        bad_request = BAD_REQUESTS.get(ending)
        return bad_request(case) if bad_request else case.request_for(ADDRESS)

    def _prepare(self, case: Case, ending: Ending) -> None:
        match ending:
            case Outcome.COOLING_DOWN:
                self.send(case.request_for(ADDRESS))
                self.delivered()
                self.clock.epoch += 15
            case Refusal.THROTTLED:
                self.configure(THROTTLE="2/m")
                self.clock.epoch -= CALLED
                self.send(case.request_for("\x07"))
                self.send(case.request_for("\x07"))
                self.clock.epoch += CALLED
            case Refusal.NOT_ENABLED:
                self.default_client("kiosk")
            case Refusal.UNKNOWN_CLIENT if not case.names_client:
                self.configure(CLIENTS=[])
            case Refusal.FAILED:
                self.crash(engine, "resend")

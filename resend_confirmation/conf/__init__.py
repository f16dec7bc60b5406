"""The one dict of settings, ``RESEND_CONFIRMATION``, read into a frozen, typed dataclass."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from . import values
from .moved import MOVED
from .values import DAY, HOUR, LONGEST_DURATION, Backend, Cooldown, Retention, WrongValueError

__all__ = [
    "DAY",
    "HOUR",
    "LONGEST_DURATION",
    "MOVED",
    "NAME",
    "Backend",
    "Cooldown",
    "Problem",
    "Retention",
    "Settings",
    "WrongValueError",
    "get",
    "is_given",
    "problems",
    "raw_settings",
]

NAME = "RESEND_CONFIRMATION"


def _setting(read: Callable[[object], Any], default: Any) -> Any:
    # The default is read like a value of the host, so that both have one form.
    return field(default_factory=lambda: read(default), metadata={"read": read})


# Error reports write the repr of local variables, and entries of CLIENTS contain keys.
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Every setting with its default; docs/reference/settings.md explains them one by one."""

    BASE_URL: str = _setting(values.base_url, "")
    CLIENTS: Sequence[Any] | str = _setting(values.client_table, ())
    ACCOUNTS: str = _setting(values.text, "resend_confirmation.accounts.ConfirmationStore")
    QUIET: frozenset[str] | Literal["all"] = _setting(values.quiet, ())
    CARRIER: Backend = _setting(values.backend, "thread")
    SITE_NAME: str = _setting(values.line, "")
    MAILER: str = _setting(values.text, "default")
    FROM_EMAIL: str | None = _setting(values.optional_text, None)
    REPLY_TO: str | None = _setting(values.optional_text, None)
    LINK_LIFETIME: timedelta = _setting(values.lasting, 24 * 3600)
    LINK_POLICY: values.LinkPolicy = _setting(values.link_policy, "reuse")
    COOLDOWN: Cooldown = _setting(values.cooldown, ("1/60s", "5/h", "12/d"))
    THROTTLE: Mapping[str, str | None] = _setting(values.rates, "60/m")
    TRUSTED_PROXIES: int | None = _setting(values.optional_count, None)
    BACKLOG: int = _setting(values.positive, 10_000)
    QUIET_REQUESTS_PER_NETWORK: str | None = _setting(values.optional_rate, "1000/d")
    HOURLY_BUDGET: int = _setting(values.count, 0)
    RETENTION: Retention = _setting(values.retention, {})
    EXPIRE: str | None = _setting(values.optional_text, None)
    SEND_DEADLINE: timedelta = _setting(values.lasting, 30)
    OPENAPI_ANSWERS: values.OpenApiAnswers = _setting(values.openapi_answers, "vendor")
    AUTHORIZATION_CODE_ISSUER: str | None = _setting(values.optional_text, None)

    def is_quiet(self, dialect: str) -> bool:
        """Return whether ``dialect`` must not reveal anything about accounts."""
        return self.QUIET == "all" or dialect in self.QUIET

    def throttle(self, dialect: str) -> str | None:
        """Return the rate of ``dialect`` for one network, e.g. ``"60/m"``; None means unlimited."""
        return self.THROTTLE.get(dialect, self.THROTTLE.get("default"))

    def throttle_of_all(self) -> str:
        """Return the rate of one network over all dialects, at least that of each limited one."""
        return _highest(tuple(self.THROTTLE.values()))


@lru_cache(maxsize=16)
def _highest(given: tuple[str | None, ...]) -> str:
    rates = [rate for rate in given if rate is not None]
    most = max(int(rate.partition("/")[0]) for rate in rates)
    return f"{most}/{max(rates, key=_per_second).partition('/')[2]}"


def _per_second(rate: str) -> float:
    calls, period = values.parse_rate(rate)
    return calls / period.total_seconds()


_READERS: dict[str, Callable[[object], Any]] = {
    f.name: f.metadata["read"] for f in fields(Settings)
}


class Problem(NamedTuple):
    """One thing wrong with the dict; ``key`` is None when the value is not a dict."""

    key: str | None
    text: str
    known: bool = True
    hint: str | None = None


def problems(raw: object) -> Iterator[Problem]:
    """Yield everything wrong with ``raw``, the value of the setting."""
    if not isinstance(raw, Mapping):
        yield Problem(None, f"{NAME} takes a dict")
        return
    for key, value in raw.items():
        if key not in _READERS:
            hint = MOVED[key](value) if key in MOVED else None
            yield Problem(str(key), f"{NAME} has no key {key!r}", known=False, hint=hint)
            continue
        try:
            _READERS[key](value)
        except WrongValueError as error:
            yield Problem(key, f"{NAME}[{key!r}] {error}")


def _parse(raw: object) -> Settings:
    wrong = [problem.text for problem in problems(raw) if problem.known]
    if wrong or not isinstance(raw, Mapping):
        raise ImproperlyConfigured("; ".join(wrong))
    return Settings(**{key: _READERS[key](raw[key]) for key in raw if key in _READERS})


def raw_settings() -> object:
    """Return the value of the setting as the host wrote it, or an empty dict."""
    raw = getattr(django_settings, NAME, None)
    return _NOTHING if raw is None else raw


def is_given(key: str) -> bool:
    """Return whether the host set ``key``, rather than leaving the default."""
    raw = raw_settings()
    return isinstance(raw, Mapping) and key in raw


_NOTHING: dict[str, Any] = {}
_last: tuple[object, Settings] | None = None


@sensitive_variables()
def get() -> Settings:
    """Return the settings in force, parsed once per dict: a request parses nothing.

    Raise ImproperlyConfigured if a value is of the wrong kind; the system check
    ``resend_confirmation.E002`` reports that at start.
    """
    global _last  # noqa: PLW0603 - a cache of one, replaced whole, so that threads see old or new
    raw = getattr(django_settings, NAME, None)
    if raw is None:
        raw = _NOTHING
    last = _last
    if last is None or last[0] is not raw:
        last = _last = (raw, _parse(raw))
    return last[1]

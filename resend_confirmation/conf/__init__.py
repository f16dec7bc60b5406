"""The one dict of settings, ``RESEND_CONFIRMATION``, read into a frozen, typed dataclass."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Any, Literal
from urllib.parse import urlsplit

import idna
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.encoding import iri_to_uri

LinkPolicy = Literal["reuse", "newest"]
OpenApiAnswers = Literal["vendor", "all", "none"]

NAME = "RESEND_CONFIRMATION"

#: Ten years: more is a mistake, and far more is no timedelta.
LONGEST = timedelta(days=10 * 366)
#: Calls, then a period that may be a multiple: "60/m", "10/5m".
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_RATE = re.compile(r"[1-9][0-9]*/(?:[1-9][0-9]*)?[smhd]")


_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII | re.IGNORECASE)
#: Ends the path, or is dropped or read as another character by browsers.
_NOT_IN_A_BASE = re.compile(r"[?#\\\s\x00-\x1f\x7f]")
_BASE = (
    "takes the site's address, such as 'https://site.example', without user, query, fragment "
    "and blanks"
)


class WrongValueError(ValueError):
    """A value that a setting cannot have; its text says what the setting takes."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongValueError("takes a string")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def base_url(value: object) -> str:
    """Read the address of a site: its host in IDNA (RFC 5891), without a slash at the end.

    Links are made by putting a path and a query behind it, so that it can have neither a query
    nor a fragment, and Message-IDs have its host. Raises WrongValueError.
    """
    text = _text(value)
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        host, port = _host(parts.hostname or ""), parts.port
    except (ValueError, UnicodeError):
        raise WrongValueError(_BASE) from None
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or _NOT_IN_A_BASE.search(text):
        raise WrongValueError(_BASE)
    place = host if port is None else f"{host}:{port}"
    return f"{parts.scheme}://{place}{iri_to_uri(parts.path)}".rstrip("/")


def _host(name: str) -> str:
    """Return a host as URLs and Message-IDs have it; raise ValueError for what is not one."""
    if ":" in name:
        return f"[{IPv6Address(name)}]"
    name = name.removesuffix(".")
    name = name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    if not _HOST.fullmatch(name):
        raise ValueError
    return name


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise WrongValueError("takes a whole number, 0 or more")
    return value


def _positive(value: object) -> int:
    if not (number := _count(value)):
        raise WrongValueError("takes a whole number above 0")
    return number


def _optional_count(value: object) -> int | None:
    return None if value is None else _count(value)


def _seconds(value: object) -> timedelta:
    return _duration(value, timedelta(0), "0")


def _lasting(value: object) -> timedelta:
    """What is over at once when it is 0: a link, a token, a courier's hold on a delivery."""
    return _duration(value, timedelta(seconds=1), "one second")


def _duration(value: object, least: timedelta, said: str) -> timedelta:
    low, high = least.total_seconds(), LONGEST.total_seconds()
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise WrongValueError(f"takes seconds, or a timedelta, of {said} to ten years")
    return timedelta(seconds=value)


def _policy(value: object) -> LinkPolicy:
    if value == "reuse":
        return "reuse"
    if value == "newest":
        return "newest"
    raise WrongValueError("takes 'reuse' or 'newest'")


def _answers(value: object) -> OpenApiAnswers:
    if value == "vendor":
        return "vendor"
    if value == "all":
        return "all"
    if value == "none":
        return "none"
    raise WrongValueError("takes 'vendor', 'all' or 'none'")


def _quiet(value: object) -> bool | frozenset[str]:
    if isinstance(value, bool):
        return value
    if value == "all":
        return True
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(v, str) for v in value):
        return frozenset(value)
    raise WrongValueError("takes 'all', True, False or a list of dialects")


def _rates(value: object) -> Mapping[str, str | None]:
    rates: Mapping[Any, Any] = value if isinstance(value, Mapping) else {"default": value}
    for dialect, rate in rates.items():
        if not isinstance(dialect, str) or not (rate is None or isinstance(rate, str)):
            raise WrongValueError("takes a rate such as '60/m', None, or a dict of dialect to rate")
        if rate is not None and not _RATE.fullmatch(rate):
            raise WrongValueError(f"takes a rate such as '60/m', not {rate!r}")
    return rates


def _per_second(rate: str) -> float:
    calls, _, period = rate.partition("/")
    return int(calls) / (int(period[:-1] or 1) * _SECONDS[period[-1]])


def _optional_rate(value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and _RATE.fullmatch(value)):
        raise WrongValueError(f"takes a rate such as '1000/d', or None, not {value!r}")
    return value


def _clients(value: object) -> str | Sequence[Any]:
    if isinstance(value, str) or callable(value):
        return value  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return value
    raise WrongValueError(
        "takes a list of dicts, or the dotted path of a callable that returns one"
    )


def _setting(read: Callable[[object], Any], default: Any) -> Any:
    # Read like a host's own value, so that both have one form.
    return field(default_factory=lambda: read(default), metadata={"read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default; docs/reference/settings.md explains them one by one."""

    BASE_URL: str = _setting(base_url, "")
    CLIENTS: Sequence[Any] | str = _setting(_clients, ())
    ACCOUNTS: str = _setting(_text, "resend_confirmation.accounts.ConfirmationStore")
    QUIET: bool | frozenset[str] = _setting(_quiet, frozenset())
    CARRIER: str = _setting(_text, "thread")
    MAILER: str = _setting(_text, "default")
    FROM_EMAIL: str | None = _setting(_optional_text, None)
    REPLY_TO: str | None = _setting(_optional_text, None)
    LINK_LIFETIME: timedelta = _setting(_lasting, 24 * 3600)
    LINK_POLICY: LinkPolicy = _setting(_policy, "reuse")
    COOLDOWN: timedelta = _setting(_seconds, 60)
    COOLDOWN_PER_HOUR: int = _setting(_count, 5)
    COOLDOWN_PER_DAY: int = _setting(_count, 12)
    THROTTLE: Mapping[str, str | None] = _setting(_rates, "60/m")
    TRUSTED_PROXIES: int | None = _setting(_optional_count, None)
    MAX_BODY: int = _setting(_positive, 16 * 1024)
    BACKLOG: int = _setting(_positive, 10_000)
    ASKS_PER_NETWORK: str | None = _setting(_optional_rate, "1000/d")
    HOURLY_BUDGET: int = _setting(_count, 0)
    RETENTION: timedelta = _setting(_seconds, 90 * 24 * 3600)
    RETENTION_IGNORED: timedelta = _setting(_seconds, 7 * 24 * 3600)
    SEND_DEADLINE: timedelta = _setting(_lasting, 30)
    TASKS_BACKEND: str = _setting(_text, "default")
    TASKS_QUEUE: str = _setting(_text, "default")
    CELERY_QUEUE: str | None = _setting(_optional_text, None)
    OPENAPI_ANSWERS: OpenApiAnswers = _setting(_answers, "vendor")
    AUTHORIZATION_CODE: str | None = _setting(_optional_text, None)
    JWT_ISSUER: str | None = _setting(_optional_text, None)
    JWT_LIFETIME: timedelta = _setting(_lasting, 24 * 3600)

    def is_quiet(self, dialect: str) -> bool:
        """Whether the host decided that ``dialect`` tells nothing about accounts."""
        return self.QUIET if isinstance(self.QUIET, bool) else dialect in self.QUIET

    def throttle(self, dialect: str) -> str | None:
        """The rate of ``dialect`` for one network, such as ``"60/m"``; None is no limit."""
        return self.THROTTLE.get(dialect, self.THROTTLE.get("default"))

    def throttle_of_all(self) -> str | None:
        """Return the rate of one network over all dialects: none of theirs is above it."""
        rates = [rate for rate in self.THROTTLE.values() if rate is not None]
        if not rates:
            return None
        most = max(int(rate.partition("/")[0]) for rate in rates)
        return f"{most}/{max(rates, key=_per_second).partition('/')[2]}"


_READERS: dict[str, Callable[[object], Any]] = {
    f.name: f.metadata["read"] for f in fields(Settings)
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the dict: ``key`` is None when it is no dict at all."""

    key: str | None
    text: str
    known: bool = True


def problems(raw: object) -> Iterator[Problem]:
    """Everything wrong with ``raw``, the value of the setting, for the system check."""
    if not isinstance(raw, Mapping):
        yield Problem(None, f"{NAME} takes a dict")
        return
    for key, value in raw.items():
        if key not in _READERS:
            yield Problem(str(key), f"{NAME} has no key {key!r}", known=False)
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
    """The value of the setting as the host wrote it; an empty dict when there is none."""
    raw = getattr(django_settings, NAME, None)
    return _NOTHING if raw is None else raw


def is_given(key: str) -> bool:
    """Whether the host wrote ``key`` itself: a default may be what nobody has decided."""
    raw = raw_settings()
    return isinstance(raw, Mapping) and key in raw


_NOTHING: dict[str, Any] = {}
_last: tuple[object, Settings] | None = None


def get() -> Settings:
    """The settings in force: parsed once per dict, so that a request parses nothing.

    Raises ImproperlyConfigured when a value is of the wrong kind (the system check
    ``resend_confirmation.E002`` says so at start).
    """
    global _last  # noqa: PLW0603 - a cache of one, replaced whole, so that threads see old or new
    raw = raw_settings()
    last = _last
    if last is None or last[0] is not raw:
        last = _last = (raw, _parse(raw))
    return last[1]

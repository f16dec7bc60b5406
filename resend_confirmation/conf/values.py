"""Readers of the settings' values: each returns the typed value, or raises WrongValueError."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import idna
from django.utils.encoding import iri_to_uri

LinkPolicy = Literal["reuse", "newest"]
OpenApiAnswers = Literal["vendor", "all", "none"]

#: The upper limit of durations, ten years. Much larger values overflow timedelta.
LONGEST_DURATION = timedelta(days=10 * 366)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

#: A number of calls, a slash, and a period that may be a multiple: "60/m", "10/5m".
_RATE = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)?([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII | re.IGNORECASE)
#: Characters that end the path, or that browsers drop or read as another character.
_NOT_IN_A_BASE = re.compile(r"[?#\\\s\x00-\x1f\x7f]")
_BASE = (
    "takes the site's address, such as 'https://site.example', without user, query, fragment "
    "and blanks"
)

#: Control characters, line separators, lone surrogates, and characters for private use.
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ue000-\uf8ff]")

_QUIET = 'takes "all" or a list of dialects'


class WrongValueError(ValueError):
    """A value that a setting cannot have. Its text says what the setting takes."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The class that a setting names, or a short name for it, and its keyword arguments."""

    name: str
    # Options may hold credentials.
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Cooldown(NamedTuple):
    """Limits of the messages to one address; 0 means unlimited."""

    gap: timedelta = timedelta(0)
    per_hour: int = 0
    per_day: int = 0


class Retention(NamedTuple):
    """Time to keep ended deliveries, and requests that led to no message."""

    ended: timedelta = timedelta(days=90)
    ignored: timedelta = timedelta(days=7)


def text(value: object) -> str:
    """Read a string."""
    if not isinstance(value, str):
        raise WrongValueError("takes a string")
    return value


def optional_text(value: object) -> str | None:
    """Read a string or None."""
    return None if value is None else text(value)


def line(value: object) -> str:
    """Read a line of text that people see, such as a name. Headers of messages contain it."""
    read = text(value)
    if _NOT_IN_A_LINE.search(read):
        raise WrongValueError("takes one line of text, without control characters")
    return read.strip()


def base_url(value: object) -> str:
    """Read the address of a site: its host in IDNA (RFC 5891), without a slash at the end.

    A path and a query are appended to it to make links, so it can have neither a query nor a
    fragment. Message-IDs contain its host.
    """
    url = text(value)
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        host, port = _host(parts.hostname or ""), parts.port
    except (ValueError, UnicodeError):
        raise WrongValueError(_BASE) from None
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or _NOT_IN_A_BASE.search(url):
        raise WrongValueError(_BASE)
    place = host if port is None else f"{host}:{port}"
    return f"{parts.scheme}://{place}{iri_to_uri(parts.path)}".rstrip("/")


def _host(name: str) -> str:
    """Return a host as URLs and Message-IDs have it, or raise ValueError."""
    if ":" in name:
        return f"[{IPv6Address(name)}]"
    name = name.removesuffix(".")
    name = name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    if not _HOST.fullmatch(name):
        raise ValueError
    return name


def count(value: object) -> int:
    """Read a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise WrongValueError("takes a whole number, 0 or more")
    return value


def positive(value: object) -> int:
    """Read a whole number above 0."""
    if not (number := count(value)):
        raise WrongValueError("takes a whole number above 0")
    return number


def optional_count(value: object) -> int | None:
    """Read a whole number, 0 or more, or None."""
    return None if value is None else count(value)


def seconds(value: object) -> timedelta:
    """Read a duration, which may be 0."""
    return _duration(value, timedelta(0), "0")


def lasting(value: object) -> timedelta:
    """Read a duration that must not be 0: the life of a link or a token, a deadline."""
    return _duration(value, timedelta(seconds=1), "one second")


def _duration(value: object, least: timedelta, said: str) -> timedelta:
    low, high = least.total_seconds(), LONGEST_DURATION.total_seconds()
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise WrongValueError(f"takes seconds or a timedelta, from {said} to ten years")
    return timedelta(seconds=value)


def link_policy(value: object) -> LinkPolicy:
    """Read LINK_POLICY."""
    if value == "reuse":
        return "reuse"
    if value == "newest":
        return "newest"
    raise WrongValueError("takes 'reuse' or 'newest'")


def openapi_answers(value: object) -> OpenApiAnswers:
    """Read OPENAPI_ANSWERS."""
    if value == "vendor":
        return "vendor"
    if value == "all":
        return "all"
    if value == "none":
        return "none"
    raise WrongValueError("takes 'vendor', 'all' or 'none'")


def quiet(value: object) -> frozenset[str] | Literal["all"]:
    """Read QUIET."""
    if value == "all":
        return "all"
    if isinstance(value, bool):
        raise WrongValueError(f'{_QUIET}; write "all" for True, [] for False')
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(v, str) for v in value):
        return frozenset(value)
    raise WrongValueError(_QUIET)


def rates(value: object) -> Mapping[str, str | None]:
    """Read a rate for all dialects, or one for each."""
    by_dialect: Mapping[Any, Any] = value if isinstance(value, Mapping) else {"default": value}
    for dialect, rate in by_dialect.items():
        if not isinstance(dialect, str) or not (rate is None or isinstance(rate, str)):
            raise WrongValueError("takes a rate such as '60/m', None, or a dict of dialect to rate")
        if rate is not None and not _RATE.fullmatch(rate):
            raise WrongValueError(f"takes a rate such as '60/m', not {rate!r}")
    return by_dialect


def optional_rate(value: object) -> str | None:
    """Read a rate or None."""
    if value is not None and not (isinstance(value, str) and _RATE.fullmatch(value)):
        raise WrongValueError(f"takes a rate such as '1000/d', or None, not {value!r}")
    return value


def parse_rate(rate: str) -> tuple[int, timedelta]:
    """Return the calls and the period of a rate; raise ValueError if it is not one."""
    found = _RATE.fullmatch(rate)
    if found is None:
        raise ValueError(rate)
    calls, times, unit = found.groups()
    # Longer periods are as good as this one, and much longer ones overflow.
    period = min(int(times or 1) * _SECONDS[unit], 2 * int(LONGEST_DURATION.total_seconds()))
    return int(calls), timedelta(seconds=period)


def cooldown(value: object) -> Cooldown:
    """Read COOLDOWN: at most one gap, one limit of an hour and one of a day."""
    if not isinstance(value, list | tuple):
        raise WrongValueError(
            f'takes a list of rates such as ["1/60s", "5/h", "12/d"], not {value!r}'
        )
    limits: dict[str, Any] = {}
    for rate in value:
        name, limit = _limit(rate)
        if name in limits:
            raise _wrong_limit(rate)
        limits[name] = limit
    return Cooldown(**limits)


def _limit(rate: object) -> tuple[str, timedelta | int]:
    try:
        calls, period = parse_rate(text(rate))
    except ValueError:
        raise _wrong_limit(rate) from None
    if calls == 1 and period <= LONGEST_DURATION:
        return "gap", period
    names = {HOUR: "per_hour", DAY: "per_day"}
    if calls == 1 or period not in names:
        raise _wrong_limit(rate)
    return names[period], calls


def _wrong_limit(rate: object) -> WrongValueError:
    return WrongValueError(
        f"takes '1/<period>', '<n>/h' and '<n>/d', each at most once, not {rate!r}"
    )


def retention(value: object) -> Retention:
    """Read RETENTION."""
    if not isinstance(value, Mapping) or set(value) - {"ended", "ignored"}:
        raise WrongValueError(f'takes {{"ended": seconds, "ignored": seconds}}, not {value!r}')
    return Retention(**{key: seconds(given) for key, given in value.items()})


def backend(value: object) -> Backend:
    """Read the name or dotted path of a class, with its keyword arguments, if it has any."""
    if isinstance(value, str):
        return Backend(value)
    # The value is not quoted, since options may hold credentials.
    if not isinstance(value, Mapping) or not {"BACKEND"} <= set(value) <= {"BACKEND", "OPTIONS"}:
        raise WrongValueError('takes a string, or {"BACKEND": …, "OPTIONS": {…}}')
    name, options = value["BACKEND"], value.get("OPTIONS", {})
    if not isinstance(name, str):
        raise WrongValueError('takes a string as "BACKEND"')
    if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
        raise WrongValueError('takes a dict of keyword arguments as "OPTIONS"')
    return Backend(name, options)


def client_table(value: object) -> str | Sequence[Any]:
    """Read CLIENTS, without its entries: those are read when the clients are indexed."""
    if isinstance(value, str) or callable(value):
        return value  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return value
    raise WrongValueError(
        "takes a list of dicts, or the dotted path of a callable that returns one"
    )

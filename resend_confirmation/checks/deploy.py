"""Checks for production: settings that are fine in development only."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage
from django.core.checks.security.base import (
    SECRET_KEY_INSECURE_PREFIX,
    SECRET_KEY_MIN_LENGTH,
    SECRET_KEY_MIN_UNIQUE_CHARACTERS,
)

from .. import conf, failures
from ..dialects.base import mounted_dialects
from ..outcomes import CONCEALED
from .registry import ID, bind

#: With fewer entries a few thousand networks displace each other's counts.
FEW_ENTRIES = 100_000


@bind(deploy=True)
def check_https(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for BASE_URL without TLS: links can be read in transit and used first."""
    if conf.get().BASE_URL.startswith("http://"):
        yield checks.Warning(
            "BASE_URL is not https, so links can be read in transit",
            hint='Set RESEND_CONFIRMATION["BASE_URL"] to "https://<your site>".',
            id=f"{ID}.W003",
        )


@bind(deploy=True)
def check_quiet(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning if dialects reveal accounts and QUIET, which decides this, is not set."""
    if conf.is_given("QUIET"):
        return
    candid = sorted(name for name, view in mounted_dialects().items() if CONCEALED - view.quiet())
    if candid:
        yield checks.Warning(
            "These dialects reveal whether an account exists: " + ", ".join(candid),
            hint='Decide: RESEND_CONFIRMATION["QUIET"] is "all", a list of dialects that must not '
            "reveal it, or [] if your clients need to know.",
            id=f"{ID}.W004",
        )


@bind(deploy=True)
def check_cache(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for a cache that cannot hold the throttle's counts for all processes."""
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    if not any(map(conf.get().throttle, mounted_dialects())):
        return
    try:
        cache = caches[alias]
        # Django's backends for Redis and Memcached import their library here, and do not connect.
        getattr(cache, "_cache", None)
    except Exception as error:
        why = failures.explain(error)
        yield checks.Warning(
            f"THROTTLE uses a cache that cannot be loaded: {alias!r} ({why})",
            hint="Until then, each process counts separately. Correct CACHES or "
            "RATELIMIT_USE_CACHE, and install the library that the cache needs.",
            id=f"{ID}.W005",
        )
        return
    if isinstance(cache, LocMemCache | DummyCache | FileBasedCache):
        yield checks.Warning(
            f"THROTTLE uses a per-process cache: {alias!r} is {type(cache).__name__}",
            hint="Use Redis or Memcached, or set THROTTLE to None if a proxy throttles for you.",
            id=f"{ID}.W005",
        )
    if isinstance(cache, BaseDatabaseCache) and cache._max_entries < FEW_ENTRIES:
        yield checks.Warning(
            f"THROTTLE uses a small cache: {alias!r} is {type(cache).__name__} with "
            f"{cache._max_entries} entries, so counts are lost when many networks call",
            hint=f"Use Redis or Memcached, or set MAX_ENTRIES in its OPTIONS to {FEW_ENTRIES} or "
            "more.",
            id=f"{ID}.W029",
        )


@bind(deploy=True)
def check_proxies(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for an uncounted proxy: all callers would share its address."""
    names = ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
    given = [name for name in names if getattr(settings, name, None)]
    if given and conf.get().TRUSTED_PROXIES is None:
        yield checks.Warning(
            f"{given[0]} is set, so the site is behind a proxy, but TRUSTED_PROXIES is not set",
            hint='Set RESEND_CONFIRMATION["TRUSTED_PROXIES"] to the number of proxies that add to '
            "X-Forwarded-For, or to 0 if none does.",
            id=f"{ID}.W008",
        )


@bind(deploy=True)
def check_secret_key(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for a weak key: links are derived from it and could be forged."""
    keys: dict[str, str | bytes] = {"SECRET_KEY": settings.SECRET_KEY}
    keys |= {f"SECRET_KEY_FALLBACKS[{n}]": k for n, k in enumerate(settings.SECRET_KEY_FALLBACKS)}
    for name, key in keys.items():
        if _is_weak(key):
            yield checks.Warning(
                f"{name} is weak, and the links in messages are derived from it",
                hint=f"Use at least {SECRET_KEY_MIN_LENGTH} random characters, from "
                "django.core.management.utils.get_random_secret_key().",
                id=f"{ID}.W009",
            )


def _is_weak(key: str | bytes) -> bool:
    # The same rules as Django's security.W009; a key may be bytes.
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    return (
        len(text) < SECRET_KEY_MIN_LENGTH
        or len(set(text)) < SECRET_KEY_MIN_UNIQUE_CHARACTERS
        or text.startswith(SECRET_KEY_INSECURE_PREFIX)
    )

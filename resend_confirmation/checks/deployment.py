"""Checks for production: what is right while developing and wrong on a site that people use."""

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
from ..outcomes import CONCEALED
from .binding import ID, bind
from .mounting import dialects

#: Entries of a cache below which some thousand networks displace the throttle's counts.
FEW_ENTRIES = 100_000


@bind(deploy=True)
def check_https(**_: Any) -> Iterator[CheckMessage]:
    """Without TLS everybody on the way can read a link and use it first."""
    if conf.get().BASE_URL.startswith("http://"):
        yield checks.Warning(
            "BASE_URL is not https, so links can be read on their way",
            hint='Set RESEND_CONFIRMATION["BASE_URL"] to "https://<your site>".',
            id=f"{ID}.W003",
        )


@bind(deploy=True)
def check_quiet(**_: Any) -> Iterator[CheckMessage]:
    """That a dialect tells who has an account is the host's decision, not an accident."""
    if conf.is_given("QUIET"):
        return
    candid = sorted({view.dialect for view in dialects() if CONCEALED - view.quiet()})
    if candid:
        yield checks.Warning(
            f"These dialects tell callers who has an account: {', '.join(candid)}",
            hint='Decide: RESEND_CONFIRMATION["QUIET"] is "all", a list of dialects that are to '
            "tell nothing, or [] if this is what your clients need.",
            id=f"{ID}.W004",
        )


@bind(deploy=True)
def check_cache(**_: Any) -> Iterator[CheckMessage]:
    """A count of each process's own lets through as many times more as there are processes."""
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    if not any(conf.get().throttle(view.dialect) for view in dialects()):
        return
    try:
        cache = caches[alias]
        # Here Django's backends for Redis and Memcached import their library and make its client,
        # which connects when it is first asked for something.
        getattr(cache, "_cache", None)
    except Exception as error:
        why = failures.explain(error)
        yield checks.Warning(
            f"THROTTLE counts in a cache that cannot be loaded: {alias!r} ({why})",
            hint="Until it can be, each process counts alone: correct CACHES and "
            "RATELIMIT_USE_CACHE, and install what the cache needs.",
            id=f"{ID}.W005",
        )
        return
    if isinstance(cache, LocMemCache | DummyCache | FileBasedCache):
        yield checks.Warning(
            f"THROTTLE counts in a cache that processes do not count in together: {alias!r} is "
            f"{type(cache).__name__}",
            hint="Use Redis or Memcached, or set THROTTLE to None if a proxy throttles for you.",
            id=f"{ID}.W005",
        )
    if isinstance(cache, BaseDatabaseCache) and cache._max_entries < FEW_ENTRIES:
        yield checks.Warning(
            f"THROTTLE counts in a cache that forgets: {alias!r} is {type(cache).__name__} and "
            f"keeps {cache._max_entries} entries, so that many networks make it drop the counts",
            hint=f"Use Redis or Memcached, or set MAX_ENTRIES in its OPTIONS to {FEW_ENTRIES} or "
            "more.",
            id=f"{ID}.W029",
        )


@bind(deploy=True)
def check_proxies(**_: Any) -> Iterator[CheckMessage]:
    """Behind a proxy that is not counted all callers share the proxy's address."""
    names = ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
    given = [name for name in names if getattr(settings, name, None)]
    if given and conf.get().TRUSTED_PROXIES is None:
        yield checks.Warning(
            f"{given[0]} is set, so a proxy stands before the site, and TRUSTED_PROXIES is not",
            hint='Set RESEND_CONFIRMATION["TRUSTED_PROXIES"] to the number of proxies that add to '
            "X-Forwarded-For, or to 0 if none does.",
            id=f"{ID}.W008",
        )


@bind(deploy=True)
def check_secret_key(**_: Any) -> Iterator[CheckMessage]:
    """Links are derived from the key: who finds it can make them."""
    keys: dict[str, str | bytes] = {"SECRET_KEY": settings.SECRET_KEY}
    keys |= {f"SECRET_KEY_FALLBACKS[{n}]": k for n, k in enumerate(settings.SECRET_KEY_FALLBACKS)}
    for name, key in keys.items():
        if _is_weak(key):
            yield checks.Warning(
                f"{name} is weak, and the links in messages are derived from it",
                hint=f"Take at least {SECRET_KEY_MIN_LENGTH} random characters, from "
                "django.core.management.utils.get_random_secret_key().",
                id=f"{ID}.W009",
            )


def _is_weak(key: str | bytes) -> bool:
    # Django's own measure, security.W009; a key may be bytes.
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    return (
        len(text) < SECRET_KEY_MIN_LENGTH
        or len(set(text)) < SECRET_KEY_MIN_UNIQUE_CHARACTERS
        or text.startswith(SECRET_KEY_INSECURE_PREFIX)
    )

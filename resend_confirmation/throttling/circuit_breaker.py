"""Circuit breaker for the throttle's cache."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache

from ..deadline import run_with_timeout

logger = logging.getLogger("resend_confirmation")

T = TypeVar("T")

#: Seconds to wait for the cache. Many caches have no time-out by default.
CACHE_SECONDS = 1.0
#: Seconds that the breaker stays open after a failure: at first, and at most.
OPEN_FOR = 5.0
LONGEST_OPEN = 60.0

#: Caches that are called in the request's thread, without a time-out. They use no network, or only
#: the thread's database connection.
_NEAR = (LocMemCache, DummyCache, FileBasedCache, BaseDatabaseCache)


class CircuitBreaker:
    """A circuit breaker around the throttle's cache, with its state in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = False
        self._open_for = OPEN_FOR
        self._until = 0.0

    def guard(self, work: Callable[[BaseCache], T]) -> T | None:
        """Call ``work`` with the cache; return None if it failed or the breaker is open.

        While it is open, one request per backoff period tries the cache; all others skip it.
        """
        if not self._may_try():
            return None
        try:
            alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
            if isinstance(cache := caches[alias], _NEAR):
                result = work(cache)
            else:
                # Each thread has its own cache object: some are not thread-safe.
                result = run_with_timeout(CACHE_SECONDS, lambda: work(caches[alias]))
        except Exception as error:
            self._failed(type(error).__name__)
            return None
        self._worked()
        return result

    def _may_try(self) -> bool:
        with self._lock:
            if not self._is_open:
                return True
            now = time.monotonic()
            if now < self._until:
                return False
            self._open_for = min(2 * self._open_for, LONGEST_OPEN)
            self._until = now + self._open_for
            return True

    def _failed(self, name: str) -> None:
        with self._lock:
            if self._is_open:
                return
            self._is_open = True
            self._open_for, self._until = OPEN_FOR, time.monotonic() + OPEN_FOR
        # The error's text is left out: it may contain the cache's password.
        logger.warning(
            "The throttle's cache does not work (%s); each process counts on its own", name
        )

    def _worked(self) -> None:
        with self._lock:
            was_open, self._is_open = self._is_open, False
        if was_open:
            logger.warning("The throttle's cache works again")

"""A cache that is out of order: noticed in time, left alone for a while, logged once."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache

from . import hands

logger = logging.getLogger("resend_confirmation")

T = TypeVar("T")

#: Seconds that the cache gets to answer, whatever time-outs it was given; many have none.
PATIENCE = 1.0
#: Seconds for which the cache is not asked after it failed: at first, and at most.
REST = 5.0
LONGEST_REST = 60.0

#: Caches that no network is between. Theirs is the request's thread, and its database connection.
_NEAR = (LocMemCache, DummyCache, FileBasedCache, BaseDatabaseCache)


class Outage:
    """Whether the cache that the throttle counts in works, as far as this process knows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._broken = False
        self._rest = REST
        self._until = 0.0

    def guard(self, work: Callable[[], T]) -> T | None:
        """``work()``, which asks the cache; None when that failed or is not worth trying yet.

        While the cache is out of order one request after each rest tries it, and no other waits.
        """
        if not self._may_try():
            return None
        try:
            near = isinstance(caches[getattr(settings, "RATELIMIT_USE_CACHE", "default")], _NEAR)
            result = work() if near else hands.within(PATIENCE, work)
        except Exception as error:
            self._failed(type(error).__name__)
            return None
        self._worked()
        return result

    def _may_try(self) -> bool:
        with self._lock:
            if not self._broken:
                return True
            now = time.monotonic()
            if now < self._until:
                return False
            self._rest = min(2 * self._rest, LONGEST_REST)
            self._until = now + self._rest
            return True

    def _failed(self, name: str) -> None:
        with self._lock:
            if self._broken:
                return
            self._broken = True
            self._rest, self._until = REST, time.monotonic() + REST
        # The error's text is left out: it may hold the cache's password.
        logger.warning(
            "The throttle's cache does not work (%s); each process counts on its own", name
        )

    def _worked(self) -> None:
        if not self._broken:
            return
        with self._lock:
            was_broken, self._broken = self._broken, False
        if was_broken:
            logger.warning("The throttle's cache works again")

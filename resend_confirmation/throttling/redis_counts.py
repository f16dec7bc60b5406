"""Counts in Django's Redis cache, read in one round trip and incremented in another."""

from collections.abc import Collection, Mapping
from typing import Any

from django.core.cache.backends.redis import RedisCache


class RedisCounts:
    """Django's Redis cache, whose own methods take two round trips for each increment."""

    def __init__(self, cache: RedisCache) -> None:
        self._key: Any = cache.make_and_validate_key
        client: Any = vars(cache).get("_resend_confirmation")
        if client is None:
            # Making a client takes as long as a command.
            made: Any = cache
            client = made._resend_confirmation = made._cache.get_client(None, write=True)
        self._client = client

    def get_many(self, keys: Collection[str]) -> Mapping[str, int]:
        """Return the counts that exist."""
        found = self._client.mget([self._key(key) for key in keys])
        return {key: int(count) for key, count in zip(keys, found, strict=True) if count}

    def incr_all(self, lifetimes: Mapping[str, float]) -> list[int]:
        """Increment counts, which begin at 0, and return them; set their lifetimes in seconds."""
        with self._client.pipeline() as pipeline:
            for key, seconds in lifetimes.items():
                pipeline.incr(self._key(key))
                pipeline.expire(self._key(key), int(seconds))
            return [int(total) for total in pipeline.execute()[::2]]

"""Cooldown per address: a slot is taken by one conditional UPDATE, or by an INSERT."""

import math
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings as django_settings
from django.db import IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Expression,
    F,
    Q,
    QuerySet,
    Value,
    When,
)

from .. import addresses, conf, database, statements
from ..accounts import CooldownFacts
from ..addresses import Address
from ..conf import DAY, HOUR
from ..models import Cooldown
from ..statements import Given

#: A row of the cooldown, or its columns as read with an account.
Facts = CooldownFacts | Cooldown


def digest(text: str) -> str:
    """Return the key of the row for a canonical address or identity."""
    return addresses.keyed_digests(text, "cooldown")[0]


def current_digest(text: str) -> str:
    """Return ``digest(text)``. A row stored under an older key's digest is renamed first."""
    if django_settings.SECRET_KEY_FALLBACKS:
        _carry_over(text)
    return digest(text)


def take(text: str, hint: Facts | None = None, at: datetime | None = None) -> int:
    """Take a slot for a canonical address or identity; return 0, or the seconds until one is free.

    A refused call does not count. ``hint`` is the row as just read, if it was read. If the cooldown
    still lasts according to ``hint``, the call is refused without a statement, since a wrong
    refusal only costs a wait. Only the UPDATE or the INSERT grants a slot. ``at`` (by default now)
    is the time of the slot, by which ``release`` finds it.
    """
    now = at or database.now()
    if hint is not None and (wait := seconds_left(hint, now)):
        return wait
    key = current_digest(text)
    limits = conf.get().COOLDOWN
    if count(key, now, limits):
        return 0
    row = Cooldown.objects.filter(digest=key).first()
    if row is None:
        # Another request took the first slot and was rolled back in between.
        return 1
    wait = seconds_left(row, now)
    # Without a gap, the losers of the race for the first row may still find a free slot.
    return 0 if not wait and _update(key, now, limits) else max(1, wait)


def take_all(hints: Mapping[str, Facts | None], now: datetime) -> dict[str, int]:
    """Take a slot at ``now`` for each canonical address, with few statements.

    ``hints`` are the rows of the addresses, as far as they were read. Return for each address 0, or
    the seconds until a slot is free. Call it in a transaction.
    """
    keys = {current_digest(text): text for text in hints}
    new = [key for key, text in keys.items() if hints[text] is None]
    waits: dict[str, int] = {}
    if not new or not insert(new, now):
        new = []
    if known := keys.keys() - set(new):
        waits = _take_known(known, now)
    return {text: waits.get(key, 0) for key, text in keys.items()}


def _take_known(keys: Collection[str], now: datetime) -> dict[str, int]:
    """Take slots in rows that exist, or else in new ones; return the seconds to wait."""
    # The order keeps two callers from waiting for each other.
    rows = Cooldown.objects.filter(digest__in=keys).order_by("digest").select_for_update()
    waits = {row.digest: seconds_left(row, now) for row in rows}
    free = [key for key, wait in waits.items() if not wait]
    if free:
        Cooldown.objects.filter(digest__in=free).update(**one_more(now))
    new = [key for key in keys if key not in waits]
    if new and not insert(new, now):
        # Another process has just taken the first slot of one of them.
        waits |= {key: 0 if insert([key], now) else 1 for key in sorted(new)}
    return waits


def release_all(slots: Mapping[Address, datetime]) -> None:
    """Release slots like ``release``, with one statement, as no messages were sent."""
    if not slots:
        return
    gap = max(conf.get().COOLDOWN.gap, timedelta(microseconds=1))
    digests = [digest for address in slots for digest in address.digests("cooldown")]
    rows = Cooldown.objects.filter(
        digest__in=digests, last_at__in=set(slots.values()), hour_count__gt=0
    )
    rows.update(last_at=F("last_at") - gap, hour_count=F("hour_count") - 1)


def count(key: str, now: datetime, limits: conf.Cooldown) -> bool:
    """Count one more in the row ``key`` if ``limits`` allow it; return whether they do."""
    return _update(key, now, limits) or insert([key], now)


def release(address: Address, at: datetime) -> bool:
    """Release the slot taken at ``at``, as no message was sent; return whether it was released.

    The gap and the hour's unit are free again, so the recipient can request another message at
    once. The day's unit is not, since it limits how often a caller can cause attempts to an address
    that is refused each time. Nothing is released if a later request took a slot. A slot is
    released only once.
    """
    # The new ``last_at`` differs from ``at``, so that the condition holds only once.
    gap = max(conf.get().COOLDOWN.gap, timedelta(microseconds=1))
    # The gap and the hour were free when the slot was taken. This restores both.
    row = rows(address).filter(last_at=at, hour_count__gt=0)
    return bool(row.update(last_at=Value(at - gap), hour_count=F("hour_count") - 1))


def release_unit(address: Address, at: datetime) -> None:
    """Release the hour's unit but not the gap, since a newer message is sent instead."""
    row = rows(address).filter(hour_from__lte=at, hour_count__gt=0)
    row.update(hour_count=F("hour_count") - 1)


def rows(address: Address) -> QuerySet[Cooldown]:
    """Return the row of ``address``, under the current key or an older one."""
    return Cooldown.objects.filter(digest__in=address.digests("cooldown"))


def seconds_left(facts: Facts, now: datetime) -> int:
    """Return the whole seconds, rounded up, until a slot is free; 0 if one is free now."""
    limits = conf.get().COOLDOWN
    free_at = facts.last_at + limits.gap if limits.gap else now
    if limits.per_hour and facts.hour_count >= limits.per_hour:
        free_at = max(free_at, facts.hour_from + HOUR)
    if limits.per_day and facts.day_count >= limits.per_day:
        free_at = max(free_at, facts.day_from + DAY)
    return max(0, math.ceil((free_at - now).total_seconds()))


def _carry_over(text: str) -> None:
    """Rename the row stored under an older key, so that a new key does not reset the cooldown."""
    key, *older = addresses.keyed_digests(text, "cooldown")
    try:
        with database.atomic():
            Cooldown.objects.filter(digest__in=older).update(digest=key)
    except IntegrityError:
        # There is a row under the new key already, for example while only some processes have that
        # key. That row counts.
        return


def _update(key: str, now: datetime, limits: conf.Cooldown) -> bool:
    statement = database.statement((__name__, limits), lambda on: taking(on, limits))
    return bool(statement.run(**values_at(key, now, limits)))


def values_at(key: str, now: datetime, limits: conf.Cooldown) -> dict[str, Any]:
    """Return the values of ``taking`` for the row ``key``."""
    values = {"key": key, "now": now, "an_hour_ago": now - HOUR, "a_day_ago": now - DAY}
    return {**values, "a_gap_ago": now - limits.gap}


def taking(connection: BaseDatabaseWrapper, limits: conf.Cooldown) -> database.Statement:
    """Return the UPDATE that takes a slot if one is free."""
    now, an_hour_ago, a_day_ago, a_gap_ago = (
        Given(name, DateTimeField()) for name in ("now", "an_hour_ago", "a_day_ago", "a_gap_ago")
    )
    free = Q(digest=Given("key", CharField()))
    if limits.gap:
        free &= Q(last_at__lte=a_gap_ago)
    if limits.per_hour:
        free &= Q(hour_from__lte=an_hour_ago) | Q(hour_count__lt=limits.per_hour)
    if limits.per_day:
        free &= Q(day_from__lte=a_day_ago) | Q(day_count__lt=limits.per_day)
    changes = _one_more(now, an_hour_ago, a_day_ago)
    return statements.update(connection, Cooldown.objects.filter(free), changes)


def one_more(now: datetime) -> dict[str, Any]:
    """Return the values of an UPDATE that counts one more slot, taken ``now``."""
    return _one_more(Value(now), now - HOUR, now - DAY)


def _one_more(now: Expression, an_hour_ago: Any, a_day_ago: Any) -> dict[str, Any]:
    hour_over, day_over = Q(hour_from__lte=an_hour_ago), Q(day_from__lte=a_day_ago)
    # Counts before starts: MariaDB assigns from left to right and would see the new start.
    return {
        "hour_count": Case(When(hour_over, then=Value(1)), default=F("hour_count") + 1),
        "day_count": Case(When(day_over, then=Value(1)), default=F("day_count") + 1),
        "hour_from": Case(When(hour_over, then=now), default=F("hour_from")),
        "day_from": Case(When(day_over, then=now), default=F("day_from")),
        "last_at": now,
    }


def insert(keys: Collection[str], now: datetime, **values: Any) -> bool:
    """Insert the rows of addresses' first slots, or none if one of them has a row already.

    Return whether they were inserted.
    """
    first = {"last_at": now, "hour_from": now, "hour_count": 1, "day_from": now, "day_count": 1}
    try:
        # A savepoint, so that a lost race leaves the caller's transaction usable.
        with database.atomic():
            Cooldown.objects.bulk_create(
                Cooldown(digest=key, **first, **values) for key in sorted(keys)
            )
    except IntegrityError:
        return False
    return True

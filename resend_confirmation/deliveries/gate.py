"""Minimum gap between two messages to one address, enforced right before sending.

The cooldown limits how often messages are requested for an address. A message may be sent long
after its request, so the cooldown alone does not keep messages apart. The courier passes this gate
before each send.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, Q
from django.db.models.expressions import RawSQL

from .. import conf, database
from ..addresses import Address
from ..limits import cooldown
from ..models import Cooldown, Delivery
from . import states


def enter(delivery: Delivery, address: Address, until: datetime) -> timedelta:
    """Pass the gate for ``delivery``. Return zero, or how long to wait before the next try.

    After that, other messages to the address wait until ``leave`` is called. If this process is
    killed before that, they wait until the gap after ``until`` is over. The delivery that passed
    last may pass again, since its repeat is identical. A delivery without a slot of the cooldown
    takes one here, within the limits of the hour and the day. Idempotent.
    """
    now, gap = database.now(), conf.get().COOLDOWN.gap
    key = cooldown.current_digest(address.canonical)
    ahead, free_at = 0, now
    if delivery.slot_at is None:
        ahead, free_at = _others(delivery, now)
    if not ahead and free_at <= now and _pass(delivery, key, until, now):
        return timedelta(0)
    sent_at = Cooldown.objects.filter(digest=key).values_list("sent_at", flat=True).first()
    if sent_at is not None:
        # ``sent_at`` is in the future during a send, which may end at any moment.
        free_at = max(free_at, min(sent_at, now) + gap)
    return max(free_at - now + ahead * gap, timedelta(seconds=1))


def leave(delivery: Delivery, address: Address, *, may_be_out: bool) -> None:
    """Record the end of the send for which ``delivery`` passed the gate.

    If the message may have been sent, the next one waits for the gap, from now.
    """
    rows = cooldown.rows(address).filter(holder=delivery.pk)
    if may_be_out:
        rows.update(sent_at=database.latest())
    else:
        rows.update(sent_at=None, holder=None)


def reserve_all(addresses: Mapping[int, Address], until: datetime) -> set[int]:
    """Pass the gate like ``enter``, for deliveries with slots, to different addresses.

    Return the keys of those that passed. An address without a row is left to ``enter``.
    """
    now = database.now()
    keys = {cooldown.current_digest(to.canonical): pk for pk, to in addresses.items()}
    # Built by hand, since that takes the ORM longer than the database.
    cases = RawSQL(  # noqa: S611  # nosec B611
        f"CASE digest {'WHEN %s THEN %s ' * len(keys)}END",
        [value for pair in keys.items() for value in pair],
        BigIntegerField(),
    )
    gap = conf.get().COOLDOWN.gap
    # The delivery that passed last may pass again. It passes the gate of its own address only.
    free = Q(sent_at=None) | Q(sent_at__lte=now - gap) | Q(holder__in=addresses)
    rows = Cooldown.objects.filter(free if gap else Q(), digest__in=keys)
    if rows.update(sent_at=until, holder=cases) == len(keys):
        return set(keys.values())
    held = Cooldown.objects.filter(digest__in=keys, holder__in=addresses, sent_at=until)
    return {keys[digest] for digest in held.values_list("digest", flat=True)}


def leave_all(addresses: Mapping[int, Address], *, may_be_out: bool = True) -> None:
    """Leave the gate for several deliveries, with one statement."""
    if not addresses:
        return
    digests = [digest for each in addresses.values() for digest in each.digests("cooldown")]
    rows = Cooldown.objects.filter(digest__in=digests, holder__in=addresses)
    if may_be_out:
        rows.update(sent_at=database.latest())
    else:
        rows.update(sent_at=None, holder=None)


def _pass(delivery: Delivery, key: str, until: datetime, now: datetime) -> bool:
    if delivery.slot_at is not None:
        return _reserve(delivery, key, until, now, {})
    with database.atomic():
        # This UPDATE comes first, so that a repeat of the transaction does not count twice.
        rows = Delivery.objects.filter(pk=delivery.pk, slot_at=None)
        takes_slot = bool(rows.update(slot_at=now))
        count = cooldown.one_more(now) if takes_slot else {}
        passed = _reserve(delivery, key, until, now, count)
        if not passed:
            database.roll_back()
    if passed and takes_slot:
        delivery.slot_at = now
    return passed


def _reserve(
    delivery: Delivery, key: str, until: datetime, now: datetime, count: dict[str, Any]
) -> bool:
    """Reserve the row ``key`` until ``until``, and write ``count`` to it; insert a missing one."""
    gap = conf.get().COOLDOWN.gap
    free = Q(sent_at=None) | Q(sent_at__lte=now - gap) | Q(holder=delivery.pk)
    rows = Cooldown.objects.filter(free if gap else Q(), digest=key)
    return bool(rows.update(**count, sent_at=until, holder=delivery.pk)) or cooldown.insert(
        [key], now, sent_at=until, holder=delivery.pk
    )


def _others(delivery: Delivery, now: datetime) -> tuple[int, datetime]:
    """Return the number of newer due deliveries to the address, and when hour and day have room.

    Sent messages count from their hand-over to the mail server. Requests do not count here:
    requests made before the account existed must not delay its first message.
    """
    limits, confirmation = conf.get().COOLDOWN, delivery.confirmation
    sharing = Delivery.objects.filter(
        confirmation__fingerprint=confirmation.fingerprint if confirmation else ""
    )
    newer = sharing.filter(states.IS_QUEUED, not_before__lte=now, pk__gt=delivery.pk)
    ahead = newer.count() if limits.gap else 0
    windows = {conf.HOUR: limits.per_hour, conf.DAY: limits.per_day}
    sent = sharing.filter(handed_at__gt=now - conf.DAY).exclude(states.NOT_SENT)
    newest = sent.order_by("-handed_at").values_list("handed_at", flat=True)
    handed = [at for at in newest[: max(windows.values())] if at is not None]
    free_at = [
        handed[limit - 1] + window for window, limit in windows.items() if 0 < limit <= len(handed)
    ]
    return ahead, max([now, *free_at])

"""Transactional outbox: insert a delivery in the caller's transaction; announce it after."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf, database, statements
from ..limits import cooldown
from ..models import Confirmation, Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed
from . import wake

#: Columns that a single insert leaves out: they are written when the message is sent, or by runs.
_LATER = frozenset(
    {
        *("generation", "token_digest", "link_expires_at", "message_id", "provider_id"),
        *("attempts", "doubts", "lease_owner", "lease_until", "handed_at"),
        *("error_class", "error_code", "error_text", "sent_at", "ended_at", "priority", "run"),
    }
)

#: Number of equal deliveries from which the database copies them.
FEW = 20


class NewDelivery(NamedTuple):
    """A delivery to insert: the key of its confirmation, and its other columns."""

    confirmation_id: int
    columns: dict[str, Any]


def insert_request(delivery: Delivery) -> None:
    """Insert a quiet request, which the courier resolves."""
    _insert(delivery, DeliveryState.ASKED, timedelta(0))


def queue(delivery: Delivery, wait: timedelta = timedelta(0)) -> None:
    """Insert a delivery that is due ``wait`` after its ``asked_at``, by default now."""
    _insert(delivery, DeliveryState.QUEUED, wait)


def queue_all(rows: Sequence[NewDelivery]) -> None:
    """Insert deliveries, which have ``asked_at`` and ``not_before``, with few statements.

    The database itself copies those that differ in nothing but the confirmation, which is several
    times as fast as an object for each. It does not return their keys, which receivers are told.
    """
    alike: dict[tuple[Any, ...], list[int]] = {}
    for key, columns in rows:
        alike.setdefault(tuple(columns.items()), []).append(key)
    few: list[Delivery] = []
    for items, keys in alike.items():
        values = {**dict(items), "state": DeliveryState.QUEUED}
        if len(keys) < FEW or delivery_changed.receivers:
            few += [Delivery(confirmation_id=key, **values) for key in keys]
        else:
            _insert_copies(Delivery(**values), keys)
    Delivery.objects.bulk_create(few)
    database.on_commit(partial(_queued_all, few))


def _insert_copies(template: Delivery, keys: Sequence[int]) -> None:
    """Insert a copy for each of these confirmations, unless it was deleted."""
    found = Confirmation.objects.filter(pk__in=keys).order_by("pk").values_list("pk")
    connection = connections[database.using()]
    statements.insert_copies(connection, template, "confirmation", found).run()


def queue_with_slot(delivery: Delivery, text: str) -> bool:
    """Take the slot of a canonical address at ``slot_at`` and insert its delivery, if it is free.

    It is one statement, which needs no transaction. Return False if the slot is not free, if the
    address has no cooldown yet, or if the database has no such statement.
    """
    at, limits = delivery.slot_at, conf.get().COOLDOWN
    is_possible = connections[database.using()].vendor == "postgresql"
    if at is None or not is_possible or settings.SECRET_KEY_FALLBACKS:
        return False
    statement = database.statement((__name__, limits), lambda on: _with_slot(on, limits))
    values = cooldown.values_at(cooldown.digest(text), at, limits)
    return _insert(delivery, DeliveryState.QUEUED, timedelta(0), statement, values)


def _insert(
    delivery: Delivery,
    state: DeliveryState,
    wait: timedelta,
    statement: database.Statement | None = None,
    values: Mapping[str, Any] = MappingProxyType({}),
) -> bool:
    """Insert the row in the caller's transaction, if the statement's condition is met.

    Wake the courier after the commit.
    """
    delivery.state = state
    delivery.reason = delivery.reason or Reason.NONE
    delivery.asked_at = delivery.asked_at or database.now()
    delivery.not_before = delivery.asked_at + wait
    statement = statement or database.statement(__name__, _insertion)
    if not statement.insert(delivery, **values):
        return False
    database.on_commit(partial(_inserted, delivery.pk, state, Reason(delivery.reason)))
    return True


def _inserted(delivery_id: int, state: DeliveryState, reason: Reason) -> None:
    wake.wake()
    delivery_changed.send_robust(Delivery, delivery_id=delivery_id, state=state, reason=reason)


def _queued_all(rows: Sequence[Delivery]) -> None:
    wake.wake()
    announce_all(rows, DeliveryState.QUEUED)


def _insertion(connection: BaseDatabaseWrapper) -> database.Statement:
    return statements.insert(connection, Delivery, _LATER)


def _with_slot(connection: BaseDatabaseWrapper, limits: conf.Cooldown) -> database.Statement:
    return statements.insert_after(cooldown.taking(connection, limits), _insertion(connection))


def announce_all(rows: Sequence[Delivery], state: DeliveryState) -> None:
    """Send ``delivery_changed`` for each row now, if the host listens."""
    if delivery_changed.receivers:
        for row in rows:
            values = {"delivery_id": row.pk, "state": state, "reason": Reason(row.reason)}
            delivery_changed.send_robust(Delivery, **values)


def announce(delivery_id: int, state: DeliveryState, reason: Reason) -> None:
    """Send ``delivery_changed`` after the commit."""
    values = {"delivery_id": delivery_id, "state": state, "reason": reason}
    database.on_commit(partial(delivery_changed.send_robust, Delivery, **values))

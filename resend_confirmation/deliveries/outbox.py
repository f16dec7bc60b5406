"""Transactional outbox: insert a delivery in the caller's transaction; announce it after."""

from datetime import timedelta
from functools import partial

from django.db.backends.base.base import BaseDatabaseWrapper

from .. import database, statements
from ..models import Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed
from . import wake


def insert_request(delivery: Delivery) -> None:
    """Insert a quiet request, which the courier resolves."""
    _insert(delivery, DeliveryState.ASKED, timedelta(0))


def queue(delivery: Delivery, wait: timedelta = timedelta(0)) -> None:
    """Insert a delivery that is due ``wait`` after its ``asked_at``, by default now."""
    _insert(delivery, DeliveryState.QUEUED, wait)


def _insert(delivery: Delivery, state: DeliveryState, wait: timedelta) -> None:
    """Insert the row in the caller's transaction. Wake the courier after the commit."""
    delivery.state = state
    delivery.reason = delivery.reason or Reason.NONE
    delivery.asked_at = delivery.asked_at or database.now()
    delivery.not_before = delivery.asked_at + wait
    database.statement(__name__, _insertion).insert(delivery)
    database.on_commit(wake.wake)
    announce(delivery.pk, state, Reason(delivery.reason))


def _insertion(connection: BaseDatabaseWrapper) -> database.Statement:
    return statements.insert(connection, Delivery)


def announce(delivery_id: int, state: DeliveryState, reason: Reason) -> None:
    """Send ``delivery_changed`` after the commit."""
    values = {"delivery_id": delivery_id, "state": state, "reason": reason}
    database.on_commit(partial(delivery_changed.send_robust, Delivery, **values))

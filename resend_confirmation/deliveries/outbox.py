"""Transactional outbox: insert a delivery in the caller's transaction; announce it after."""

from functools import partial

from .. import database
from ..models import Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed
from . import wake


def insert(delivery: Delivery) -> None:
    """Insert ``delivery`` in the caller's transaction.

    After the commit, wake the courier and send ``delivery_changed``.
    """
    delivery.save(using=database.using(), force_insert=True)
    database.on_commit(wake.wake)
    told = {"state": DeliveryState(delivery.state), "reason": Reason(delivery.reason)}
    tell = partial(delivery_changed.send_robust, Delivery, delivery_id=delivery.pk, **told)
    database.on_commit(tell)

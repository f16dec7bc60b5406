"""Putting deliveries into the outbox: a row in the caller's transaction, the news after it."""

from functools import partial

from .. import courier, database
from ..models import Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed


def insert(delivery: Delivery) -> None:
    """Write ``delivery`` in the caller's transaction; after its commit, wake and tell."""
    delivery.save(using=database.using(), force_insert=True)
    database.on_commit(courier.wake)
    told = {"state": DeliveryState(delivery.state), "reason": Reason(delivery.reason)}
    tell = partial(delivery_changed.send_robust, Delivery, delivery_id=delivery.pk, **told)
    database.on_commit(tell)

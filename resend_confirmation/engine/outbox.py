"""Putting deliveries into the outbox: a row in the caller's transaction, the news after it."""

from functools import partial

from django.db import router, transaction

from .. import courier
from ..models import Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed


def insert(delivery: Delivery) -> None:
    """Write ``delivery`` in the caller's transaction; after its commit, wake and tell."""
    using = router.db_for_write(Delivery)
    delivery.save(using=using, force_insert=True)
    transaction.on_commit(courier.wake, using=using, robust=True)
    told = {"state": DeliveryState(delivery.state), "reason": Reason(delivery.reason)}
    tell = partial(delivery_changed.send_robust, Delivery, delivery_id=delivery.pk, **told)
    transaction.on_commit(tell, using=using, robust=True)

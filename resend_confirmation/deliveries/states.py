"""States of deliveries, and what follows from them."""

from ..limits import cooldown
from ..models import Delivery
from ..outcomes import DeliveryState

#: States of a delivery that sent no message, unless an earlier attempt was ambiguous.
UNSENT = frozenset(
    {
        DeliveryState.FAILED,
        DeliveryState.ABANDONED,
        DeliveryState.SUPPRESSED,
        DeliveryState.SUPERSEDED,
    }
)


def release(delivery: Delivery, state: DeliveryState) -> None:
    """Release the slot of a delivery that ended in ``state``, unless it may have been sent.

    Call it in the transaction that ends the delivery, with the row as it was before. A superseded
    delivery releases only the hour's unit, since the newer one is sent instead.
    """
    address = delivery.confirmation.parsed if delivery.confirmation else None
    # Without a valid address the row of the cooldown cannot be found.
    if delivery.doubts or delivery.slot_at is None or address is None:
        return
    if state is DeliveryState.SUPERSEDED:
        cooldown.release_unit(address, delivery.slot_at)
    elif state in UNSENT:
        cooldown.release(address, delivery.slot_at)

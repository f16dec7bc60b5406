"""The tables: confirmations, deliveries, bulk runs, cooldowns and suppressions."""

from .confirmation import Confirmation
from .cooldown import Cooldown
from .delivery import Delivery
from .run import Run
from .suppression import Suppression

__all__ = ["Confirmation", "Cooldown", "Delivery", "Run", "Suppression"]

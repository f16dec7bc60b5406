"""The four tables: confirmations, deliveries, cooldowns and suppressions."""

from .confirmation import Confirmation
from .cooldown import Cooldown
from .delivery import Delivery
from .suppression import Suppression

__all__ = ["Confirmation", "Cooldown", "Delivery", "Suppression"]

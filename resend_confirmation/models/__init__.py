"""The tables: confirmations, deliveries and their counts, bulk runs, cooldowns, suppressions."""

from .confirmation import Confirmation
from .cooldown import Cooldown
from .delivery import Delivery
from .hourly_count import HourlyCount
from .run import Run
from .suppression import Suppression

__all__ = ["Confirmation", "Cooldown", "Delivery", "HourlyCount", "Run", "Suppression"]

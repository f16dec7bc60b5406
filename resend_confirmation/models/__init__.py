"""The tables: confirmations, deliveries and their counts, requests, runs, limits."""

from .confirmation import Confirmation
from .cooldown import Cooldown
from .delivery import Delivery
from .hourly_count import HourlyCount
from .request_record import RequestRecord
from .run import Run
from .suppression import Suppression

__all__ = [
    "Confirmation",
    "Cooldown",
    "Delivery",
    "HourlyCount",
    "RequestRecord",
    "Run",
    "Suppression",
]

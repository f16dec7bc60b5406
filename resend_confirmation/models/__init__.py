"""The tables: confirmations, deliveries, requests, bulk runs, cooldowns and suppressions."""

from .confirmation import Confirmation
from .cooldown import Cooldown
from .delivery import Delivery
from .request_record import RequestRecord
from .run import Run
from .suppression import Suppression

__all__ = ["Confirmation", "Cooldown", "Delivery", "RequestRecord", "Run", "Suppression"]

"""The admin: confirmations, deliveries, bulk runs and suppressions."""

from .confirmations import ConfirmationAdmin
from .deliveries import DeliveryAdmin
from .runs import RunAdmin
from .suppressions import SuppressionAdmin

__all__ = ["ConfirmationAdmin", "DeliveryAdmin", "RunAdmin", "SuppressionAdmin"]

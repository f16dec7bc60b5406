"""The admin: confirmations, deliveries and suppressions."""

from .confirmations import ConfirmationAdmin
from .deliveries import DeliveryAdmin
from .suppressions import SuppressionAdmin

__all__ = ["ConfirmationAdmin", "DeliveryAdmin", "SuppressionAdmin"]

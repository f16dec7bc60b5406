"""The admin: what staff may look at, and the little they may do."""

from .confirmations import ConfirmationAdmin
from .deliveries import DeliveryAdmin
from .suppressions import SuppressionAdmin

__all__ = ["ConfirmationAdmin", "DeliveryAdmin", "SuppressionAdmin"]

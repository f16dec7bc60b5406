"""The admin: confirmations, deliveries, requests, bulk runs and suppressions."""

from .confirmations import ConfirmationAdmin
from .deliveries import DeliveryAdmin
from .requests import RequestRecordAdmin
from .runs import RunAdmin
from .suppressions import SuppressionAdmin

__all__ = [
    "ConfirmationAdmin",
    "DeliveryAdmin",
    "RequestRecordAdmin",
    "RunAdmin",
    "SuppressionAdmin",
]

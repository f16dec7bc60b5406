"""The decisions: who may be mailed, when, and what a link is worth; no HTTP, no vendor."""

from .confirm import Opened, confirm, confirm_by_hand, inspect, renew
from .drain import Tally, drain
from .resend import ResendRequest, Result, resend, send_to
from .resolve import resolve
from .start import start, withdraw

__all__ = [
    "Opened",
    "ResendRequest",
    "Result",
    "Tally",
    "confirm",
    "confirm_by_hand",
    "drain",
    "inspect",
    "renew",
    "resend",
    "resolve",
    "send_to",
    "start",
    "withdraw",
]

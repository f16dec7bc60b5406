"""Decisions about messages and links, without HTTP and vendors."""

from ..courier import Tally
from .by_hand import send_to
from .confirmation import Named, Opened, confirm, confirm_by_hand, disown, inspect, renew
from .host_changes import note_confirmed, note_deactivated
from .loop import drain, drain_all, rounds
from .reopening import Reopening, open_again
from .requests import ResendRequest, Result, resend
from .resolution import resolve
from .retention import prune
from .signup import start, withdraw

__all__ = [
    "Named",
    "Opened",
    "Reopening",
    "ResendRequest",
    "Result",
    "Tally",
    "confirm",
    "confirm_by_hand",
    "disown",
    "drain",
    "drain_all",
    "inspect",
    "note_confirmed",
    "note_deactivated",
    "open_again",
    "prune",
    "renew",
    "resend",
    "resolve",
    "rounds",
    "send_to",
    "start",
    "withdraw",
]

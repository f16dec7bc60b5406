"""Outbox worker: sends the messages of committed deliveries. No other part sends mail."""

from .tally import Tally
from .worker import send_due

__all__ = ["Tally", "send_due"]

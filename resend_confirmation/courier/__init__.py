"""Outbox worker: sends the messages of committed deliveries. No other part sends mail."""

from .tally import Tally
from .worker import Sender, send_due

__all__ = ["Sender", "Tally", "send_due"]

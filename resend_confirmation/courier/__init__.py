"""Outbox worker: sends the messages of committed deliveries. No other part sends mail."""

from .carry import Round, carry
from .wake import wake

__all__ = ["Round", "carry", "wake"]

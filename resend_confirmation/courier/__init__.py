"""Outbox worker: sends the messages of committed deliveries. No other part sends mail."""

from .carry import Round, carry

__all__ = ["Round", "carry"]

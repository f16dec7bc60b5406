"""The outbox: what becomes of a delivery, from its insertion to its end, without sending it."""

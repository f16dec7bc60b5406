"""Carriers notify the courier (the outbox worker) after a commit."""

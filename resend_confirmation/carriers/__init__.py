"""Carriers: what notifies the courier (the outbox worker) after a commit."""

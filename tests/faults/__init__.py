"""Couriers in separate processes, killed and disconnected while real servers take messages."""

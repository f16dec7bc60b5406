"""Couriers as processes of their own, killed and cut off while real servers take their messages."""

"""Limits per address: how often a message may be requested for it, and how often one is sent."""

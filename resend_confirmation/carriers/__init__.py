"""Carriers: ways of getting the courier to work soon after a commit."""

"""Limits of an address: how often it may be asked for, and how often a message goes to it."""

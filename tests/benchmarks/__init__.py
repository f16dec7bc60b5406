"""Measurements, each a command; nothing here is run by the tests."""

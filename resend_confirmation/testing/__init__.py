"""Contract tests that a host runs on its own stores and dialects."""

"""Settings of hosts that need a separate process, and their modules."""

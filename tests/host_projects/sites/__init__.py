"""Settings of hosts that take a process of their own, and what they bring along."""

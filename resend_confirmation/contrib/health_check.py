"""A check for django-health-check; see docs/how-to/monitor.md.

https://codingjoe.dev/django-health-check/
"""

import dataclasses
from datetime import timedelta

from django.db import connections
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from ..engine import status


@dataclasses.dataclass
class Outbox(HealthCheck):  # type: ignore[misc]
    """Report a message that is due for longer than ``due_for``, and a pause of sending."""

    due_for: timedelta = timedelta(minutes=5)

    def run(self) -> None:
        """Raise an exception if messages do not leave."""
        try:
            found = status.read(with_runs=False)
        finally:
            # Checks run in threads, whose connections Django does not close.
            connections.close_all()
        if (found.oldest_due_seconds or 0) > self.due_for.total_seconds():
            raise ServiceUnavailable("No courier is running, or there are too few.")
        if found.pause:
            raise ServiceWarning(f"Sending is {found.pause}.")

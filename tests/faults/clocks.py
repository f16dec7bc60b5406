"""A process whose clock is wrong, while the database's is right."""

import sys
import time
from datetime import timedelta

from django.utils import timezone

from resend_confirmation import database


def set_the_clock_wrong(offset):
    """Move this process's clock by ``offset`` seconds, and print by how much it is off."""
    right_time, right_now = time.time, timezone.now
    time.time = lambda: right_time() + offset
    timezone.now = lambda: right_now() + timedelta(seconds=offset)
    off_by = (timezone.now() - database.now()).total_seconds()
    sys.stderr.write(f"this clock and the database's differ by {off_by:.0f} s\n")

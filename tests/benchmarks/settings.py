"""The site that is listened to: the default carrier, no throttle, a cooldown as long as a run."""

import os
from typing import Any

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import DATABASES
from tests.faults.settings import RESEND_CONFIRMATION as SHARED

# A connection for each request would hide in its own time what is looked for.
DATABASES["default"]["CONN_MAX_AGE"] = None

OWN: Any = {
    "QUIET": "all" if os.environ["SILENCE_QUIET"] == "all" else [],
    "CARRIER": "thread",
    "THROTTLE": None,
    "BACKLOG": 10**9,
    "COOLDOWN": ["1/24h"],
    "SEND_DEADLINE": 30,
}
RESEND_CONFIRMATION = {**SHARED, **OWN}

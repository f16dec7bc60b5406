"""The site of the timing benchmark: the default carrier, no throttle and a long cooldown."""

import os
from typing import Any

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import DATABASES
from tests.faults.settings import RESEND_CONFIRMATION as SHARED

# Connecting for each request would take longer than the differences to be measured.
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

"""The test site on this process's own database: the outer run holds the usual one."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASE, DATABASES, RESEND_CONFIRMATION

if DATABASE != "sqlite":
    DATABASES["default"]["TEST"] = {"NAME": f"test_stores_{os.getpid()}"}
# No landing: a client with a redirect would lead the browser away from our own page.
RESEND_CONFIRMATION = {**RESEND_CONFIRMATION, "CLIENTS": [{"name": "site"}]}

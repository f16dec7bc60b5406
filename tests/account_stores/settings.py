"""The test site with a separate database, since the outer test run uses the default one."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASE, DATABASES, RESEND_CONFIRMATION

if DATABASE != "sqlite":
    DATABASES["default"]["TEST"] = {"NAME": f"test_stores_{os.getpid()}"}
# Without redirects, so that a press ends on our own page.
RESEND_CONFIRMATION = {**RESEND_CONFIRMATION, "CLIENTS": [{"name": "site"}]}

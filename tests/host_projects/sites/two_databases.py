"""A host that stores users in a separate database with a replica for reading."""

import os
import tempfile

from tests.host_projects.sites.base import *  # noqa: F403
from tests.settings import DATABASE, DATABASES

HOST = "two databases"
for alias in ("people", "copy"):
    if DATABASE == "sqlite":
        name = f"{tempfile.gettempdir()}/resend_confirmation_{os.getpid()}_{alias}.sqlite3"
    else:
        name = f"test_{DATABASES['default']['NAME']}_{alias}"
    DATABASES[alias] = {**DATABASES["default"], "TEST": {"NAME": name}}
DATABASE_ROUTERS = ["tests.host_projects.routing.PeopleRouter"]

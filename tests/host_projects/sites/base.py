"""The test site in a process of its own: its test databases are not those of the other one."""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASE, DATABASES

if DATABASE != "sqlite":
    DATABASES["default"]["TEST"] = {"NAME": f"test_{DATABASES['default']['NAME']}_host"}

"""The test site in a separate process: its test databases differ from the other one's."""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASE, DATABASES

if DATABASE != "sqlite":
    DATABASES["default"]["TEST"] = {"NAME": f"test_{DATABASES['default']['NAME']}_host"}

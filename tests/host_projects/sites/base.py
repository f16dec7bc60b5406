"""The test site in a separate process, with its own test databases."""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASE, DATABASES

if DATABASE != "sqlite":
    DATABASES["default"]["TEST"] = {"NAME": f"test_{DATABASES['default']['NAME']}_host"}

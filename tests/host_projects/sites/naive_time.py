"""A host with USE_TZ = False, in a time zone with daylight saving time."""

from tests.host_projects.sites.base import *  # noqa: F403

HOST = "USE_TZ=False"
USE_TZ = False
TIME_ZONE = "America/New_York"

"""A host without time zones, whose clocks are hours from UTC and are put back in autumn."""

from tests.host_projects.sites.base import *  # noqa: F403

HOST = "USE_TZ=False"
USE_TZ = False
TIME_ZONE = "America/New_York"

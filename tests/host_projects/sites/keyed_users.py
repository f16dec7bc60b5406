"""A host whose users have a UUID as the primary key."""

from tests.host_projects.sites.base import *  # noqa: F403
from tests.settings import INSTALLED_APPS

HOST = "users with a UUID for a key"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.host_projects.keyed"]
AUTH_USER_MODEL = "keyed.Member"

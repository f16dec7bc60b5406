"""A host whose users have no user name."""

from tests.host_projects.sites.base import *  # noqa: F403
from tests.settings import INSTALLED_APPS

HOST = "users without a user name"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.host_projects.nameless"]
AUTH_USER_MODEL = "nameless.Player"

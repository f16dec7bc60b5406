"""A host whose users have no user name."""

from tests.hosts.sites.base import *  # noqa: F403
from tests.settings import INSTALLED_APPS

HOST = "users without a user name"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts.nameless"]
AUTH_USER_MODEL = "nameless.Player"

"""A site on which inactive means unconfirmed, with django-registration-redux."""

from tests.account_stores.settings_flags import *  # noqa: F403
from tests.account_stores.settings_flags import INSTALLED_APPS

INSTALLED_APPS = [
    "django.contrib.sites",
    *(app for app in INSTALLED_APPS if app not in {"djoser", "django_registration"}),
    "registration",
]
SITE_ID = 1
ROOT_URLCONF = "tests.account_stores.urls_redux"

"""The settings of a site; ``BENCHMARK_SITE`` names its kind."""

import os
from typing import Any

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import DATABASES, MIDDLEWARE
from tests.faults.settings import INSTALLED_APPS as OURS
from tests.faults.settings import RESEND_CONFIRMATION as SHARED

KIND = os.environ["BENCHMARK_SITE"]

_ALLAUTH = ["allauth", "allauth.account"]
APPS = {
    "floors": ["rest_framework"],
    "djoser": ["rest_framework", "djoser"],
    "dj-rest-auth": [
        *["rest_framework", "rest_framework.authtoken", *_ALLAUTH, "allauth.socialaccount"],
        *["dj_rest_auth", "dj_rest_auth.registration"],
    ],
    "allauth": [*_ALLAUTH, "allauth.headless"],
    "ours": OURS,
    "start": ["rest_framework", "resend_confirmation"],
}
DJANGO = ["auth", "contenttypes", "sessions", "messages", "sites"]
INSTALLED_APPS = [
    *dict.fromkeys([*(f"django.contrib.{each}" for each in DJANGO), *APPS[KIND]]),
    "tests.benchmarks.sites.apps.SitesConfig",
]
if "allauth" in INSTALLED_APPS:
    MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]

# The user model has no migrations, so that the tables that refer to it are created without too.
MIGRATION_MODULES = {
    each.rpartition(".")[2]: None for each in INSTALLED_APPS if each != "resend_confirmation"
}
SITE_ID = 1
AUTH_USER_MODEL = "sites_of_benchmarks.Visitor"
ROOT_URLCONF = "tests.benchmarks.sites.urls"
DATABASES["default"]["CONN_MAX_AGE"] = None
if "BENCHMARK_PREPARED" in os.environ:
    DATABASES["default"]["OPTIONS"] = {"server_side_binding": True, "prepare_threshold": 5}
REST_FRAMEWORK = {}
if "BENCHMARK_CACHE" in os.environ:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["BENCHMARK_CACHE"],
        }
    }

# The throttle counts each request, all of which come from one network.
OWN: Any = {
    "CARRIER": os.environ.get("BENCHMARK_CARRIER", "none"),
    "THROTTLE": os.environ.get("BENCHMARK_THROTTLE", "900000000/m"),
    "COOLDOWN": ["1/1s", "100000/h", "100000/d"],
    "BACKLOG": 10**9,
    "QUIET_REQUESTS_PER_NETWORK": None,
    "SEND_DEADLINE": 30,
}
RESEND_CONFIRMATION = {**SHARED, **OWN}

DJOSER = {
    "SEND_ACTIVATION_EMAIL": True,
    "ACTIVATION_URL": "activate/{uid}/{token}",
    "TOKEN_MODEL": None,
}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_RATE_LIMITS = False
HEADLESS_ONLY = KIND == "allauth"
HEADLESS_CLIENTS = ["app"]
HEADLESS_FRONTEND_URLS = dict.fromkeys(
    ["account_confirm_email", "account_reset_password_from_key"], "https://site.example/{key}"
)
HEADLESS_FRONTEND_URLS |= dict.fromkeys(
    ["account_reset_password", "account_signup"], "https://site.example/"
)
if KIND == "allauth":
    # By code, since only that can be sent again; without its limits in time and number.
    ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = ACCOUNT_LOGIN_TIMEOUT = 24 * 3600
    ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = 10**6

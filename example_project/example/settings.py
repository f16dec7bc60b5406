"""The example site's settings, each read from an environment variable that may be absent."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django
import environ

from .clients import clients_at
from .groups import GROUPS

BASE_DIR = Path(__file__).resolve().parent.parent


class Env(environ.Env):  # type: ignore[misc]  # it has no types
    """django-environ with ``inbox:`` as another e-mail scheme."""

    EMAIL_SCHEMES = {**environ.Env.EMAIL_SCHEMES, "inbox": "inbox.backend.EmailBackend"}


env = Env()

# The site

DEBUG = env.bool("DEBUG", default=True)
# Without DEBUG a key must be set: a published one would protect nothing.
SECRET_KEY = env.str("SECRET_KEY", default="known to all, for development" if DEBUG else env.NOTSET)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[".localhost", "127.0.0.1", "[::1]"] if DEBUG else []
)
ROOT_URLCONF = "example.urls"
WSGI_APPLICATION = "example.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "resend_confirmation",
    "demo",
    "inbox",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The database: DATABASE_URL, by default a file next to manage.py

DATABASE_OPTIONS: dict[str, dict[str, Any]] = {
    # Writers wait for one another instead of failing; readers do not wait.
    "django.db.backends.sqlite3": {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
        ),
    },
    "django.db.backends.mysql": {"charset": "utf8mb4"},
}
DATABASE: dict[str, Any] = (
    env.db_url("DATABASE_URL")
    if "DATABASE_URL" in env
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}
)
DATABASE["OPTIONS"] = {
    **DATABASE_OPTIONS.get(DATABASE["ENGINE"], {}),
    **DATABASE.get("OPTIONS", {}),
}
DATABASES = {"default": DATABASE}

if DATABASE["ENGINE"] == "django.db.backends.mysql" and find_spec("MySQLdb") is None:
    import pymysql

    pymysql.install_as_MySQLdb()

# The cache and the mail: CACHE_URL, by default in memory; EMAIL_URL, by default the inbox page

CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}

DEFAULT_FROM_EMAIL = "Example site <site@site.example>"
EMAIL: dict[str, Any] = env.email_url("EMAIL_URL", default="inbox:")
#: Seconds for one operation on a socket; Django would wait forever.
EMAIL_TIMEOUT_SECONDS = 10

if django.VERSION >= (6, 1):
    # Each backend rejects unknown options.
    OPTIONS_OF_BACKEND: dict[str, dict[str, Any]] = {
        "django.core.mail.backends.smtp.EmailBackend": {
            "host": EMAIL["EMAIL_HOST"],
            "port": EMAIL["EMAIL_PORT"],
            "username": EMAIL["EMAIL_HOST_USER"],
            "password": EMAIL["EMAIL_HOST_PASSWORD"],
            "use_tls": EMAIL.get("EMAIL_USE_TLS", False),
            "use_ssl": EMAIL.get("EMAIL_USE_SSL", False),
            "timeout": EMAIL_TIMEOUT_SECONDS,
        },
        "django.core.mail.backends.filebased.EmailBackend": {
            "file_path": EMAIL["EMAIL_FILE_PATH"],
        },
    }
    MAILERS = {
        "default": {
            "BACKEND": EMAIL["EMAIL_BACKEND"],
            "OPTIONS": OPTIONS_OF_BACKEND.get(EMAIL["EMAIL_BACKEND"], {}),
        }
    }
else:
    vars().update(EMAIL, EMAIL_TIMEOUT=EMAIL_TIMEOUT_SECONDS)

# The app; variables that are not set keep the app's defaults

BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
RESEND_CONFIRMATION: dict[str, Any] = {
    "BASE_URL": BASE_URL,
    "SITE_NAME": "Example site",
    "CLIENTS": clients_at(BASE_URL),
    # There is no OAuth server; the landing page reads these codes.
    "AUTHORIZATION_CODE_ISSUER": "demo.codes.issue_code",
    "CARRIER": env.str("CARRIER", default="thread"),
    "OPENAPI_ANSWERS": "all",
}
if "QUIET" in env:
    names = env.list("QUIET")
    RESEND_CONFIRMATION["QUIET"] = "all" if names == ["all"] else names
if "THROTTLE" in env:
    rate = env.str("THROTTLE")
    RESEND_CONFIRMATION["THROTTLE"] = None if rate == "off" else rate
if "COOLDOWN" in env:
    # Such as "1/60s,5/h"; "off" turns the cooldown off.
    limits = env.list("COOLDOWN")
    RESEND_CONFIRMATION["COOLDOWN"] = [] if limits == ["off"] else limits
if "SEND_DEADLINE" in env:
    RESEND_CONFIRMATION["SEND_DEADLINE"] = env.float("SEND_DEADLINE")
if "TRUSTED_PROXIES" in env:
    RESEND_CONFIRMATION["TRUSTED_PROXIES"] = env.int("TRUSTED_PROXIES")
if "TASKS_BACKEND" in env:
    TASKS = {"default": {"BACKEND": env.str("TASKS_BACKEND")}}
    # Django 6 includes tasks; a backend from another package is an app.
    package = env.str("TASKS_BACKEND").partition(".")[0]
    apps = {package} - {"django"} | ({"django_tasks"} if django.VERSION < (6, 0) else set())
    INSTALLED_APPS += sorted(apps)
if "CELERY_BROKER_URL" in env:
    CELERY_BROKER_URL = env.str("CELERY_BROKER_URL")

# The OpenAPI document and its page, which loads nothing from other hosts

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Resend the confirmation e-mail",
    "DESCRIPTION": "The same operation in the words of each vendor.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "resend_confirmation.schema.inline_components",
        "demo.openapi.use_demo_data",
    ],
    "TAGS": [{"name": name, "description": text} for name, text in GROUPS.items()],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # A constant in demo/operations.js: some of the settings are functions.
    "SWAGGER_UI_SETTINGS": "operationsSettings",
}

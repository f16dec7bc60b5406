"""Settings of the test site: all dialects, on the database that ``TEST_DATABASE`` selects."""

import os
import tempfile

import django
import environ

env = environ.Env()

DATABASE_URLS = {
    "sqlite": "sqlite://:memory:",
    "postgres": os.environ.get("POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("MARIADB_URL", "mysql://root@127.0.0.1:3306/mysql"),
}
DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
MARIADB = env.db_url_config(DATABASE_URLS["mariadb"])

if DATABASE == "mariadb":
    import pymysql

    pymysql.install_as_MySQLdb()

SECRET_KEY = "tests only: long enough for every check of Django's, and known to all"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"
DATABASES = {"default": env.db_url_config(DATABASE_URLS[DATABASE])}
if DATABASE == "sqlite":
    # A file for each run, because threads cannot share a database in memory reliably.
    DATABASES["default"]["TEST"] = {
        "NAME": f"{tempfile.gettempdir()}/resend_confirmation_{os.getpid()}.sqlite3"
    }
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA synchronous=OFF",
    }
if DATABASE == "mariadb":
    DATABASES["default"]["OPTIONS"] = {"charset": "utf8mb4"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "resend_confirmation",
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
STATIC_URL = "static/"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("pt-br", "Português")]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
DEFAULT_FROM_EMAIL = "site@site.example"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tests",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "resend_confirmation.schema.inline_components",
    ],
}

CLIENTS = [
    {
        "name": "game",
        "ids": {
            "xsolla-oauth2": 57,
            "xsolla-jwt": "40db2ea4-5d42-11e6-a3ff-005056a0e04a",
            "backendless": "F2FE78BB-5D08-44FE-B074-6E7C29B49B03",
        },
        "keys": {
            "backendless": [
                "7C1A9E00-0000-4000-8000-000000000001",
                "7C1A9E00-0000-4000-8000-000000000002",
            ]
        },
        "redirects": ["https://game.example/callback"],
        "signing": {"key": "the game's secret, known to its own servers alone, 32 bytes or more"},
    },
    {
        "name": "arcade",
        "ids": {
            "xsolla-oauth2": 58,
            "xsolla-jwt": "5b0e9c1e-77a1-4f5c-9d6a-0d1f5a3b2c58",
            "backendless": "0B6C1E5A-58AA-4C1D-8A58-000000000058",
        },
        "keys": {"backendless": ["7C1A9E00-0000-4000-8000-000000000058"]},
        "hosts": ["arcade.backend.example"],
        "redirects": [
            "https://arcade.example/a",
            "https://arcade.example/b?keep=1",
            "app://xlogin.com.example.arcade",
        ],
        "signing": {"key": "the arcade's secret, known to its own servers alone, 32 bytes or more"},
    },
    {
        "name": "kiosk",
        "required": False,
        "ids": {
            "xsolla-oauth2": 59,
            "xsolla-jwt": "9f2d4a60-1111-4c59-8b59-000000000059",
            "backendless": "0B6C1E5A-59AA-4C1D-8A59-000000000059",
        },
        "keys": {"backendless": ["7C1A9E00-0000-4000-8000-000000000059"]},
        "hosts": ["kiosk.backend.example"],
        "redirects": ["https://kiosk.example/"],
    },
]
RESEND_CONFIRMATION = {
    "BASE_URL": "https://site.example",
    "CLIENTS": CLIENTS,
    "CARRIER": "none",
    "THROTTLE": None,
}
SILENCED_SYSTEM_CHECKS = ["resend_confirmation.W001", "resend_confirmation.W002"]

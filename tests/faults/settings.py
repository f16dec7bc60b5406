"""The test site on a database and a mail server that several processes share."""

import os
from typing import Any

import django
import environ

from tests.settings import *  # noqa: F403
from tests.settings import RESEND_CONFIRMATION, TEMPLATES

DATABASES = {"default": environ.Env.db_url_config(os.environ["FAULTS_DATABASE_URL"])}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
if DATABASES["default"]["ENGINE"].endswith("mysql"):
    import pymysql

    pymysql.install_as_MySQLdb()
    DATABASES["default"]["OPTIONS"] = {"charset": "utf8mb4"}

if "FAULTS_TEMPLATES" in os.environ:
    TEMPLATES = [{**TEMPLATES[0], "DIRS": [os.environ["FAULTS_TEMPLATES"]]}]

SMTP: Any = {
    "host": "127.0.0.1",
    "port": int(os.environ.get("FAULTS_SMTP_PORT", "25")),
    "username": os.environ.get("FAULTS_SMTP_USER", ""),
    "password": os.environ.get("FAULTS_SMTP_PASSWORD", ""),
}
BACKEND = os.environ.get("FAULTS_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
if django.VERSION >= (6, 1):
    # An option that a backend does not know is an error.
    options: Any = {} if BACKEND == "tests.faults.long_id.EmailBackend" else SMTP
    MAILERS = {"default": {"BACKEND": BACKEND, "OPTIONS": options}}
else:
    EMAIL_BACKEND = BACKEND
    EMAIL_HOST, EMAIL_PORT = SMTP["host"], SMTP["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = SMTP["username"], SMTP["password"]

RESEND_CONFIRMATION = {
    **RESEND_CONFIRMATION,
    "HOURLY_BUDGET": int(os.environ.get("FAULTS_BUDGET", "0")),  # type: ignore[dict-item]
    # Longer than a busy machine stalls, except where tests wait for what a dead courier held.
    "SEND_DEADLINE": float(os.environ.get("FAULTS_DEADLINE", "10")),  # type: ignore[dict-item]
}
if "FAULTS_COOLDOWN" in os.environ:
    RESEND_CONFIRMATION["COOLDOWN"] = [f"1/{os.environ['FAULTS_COOLDOWN']}s"]
LOGGING = {
    "version": 1,
    # Celery's loggers are made before this is read.
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"resend_confirmation": {"handlers": ["stderr"]}},
}

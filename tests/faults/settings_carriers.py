"""The same site with the carrier that a test chooses: Celery over a broker, or django.tasks."""

import os

import django

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import INSTALLED_APPS, RESEND_CONFIRMATION

CARRIER = os.environ["FAULTS_CARRIER"]
RESEND_CONFIRMATION = {**RESEND_CONFIRMATION, "CARRIER": CARRIER}

if CARRIER == "tasks":
    INSTALLED_APPS = [
        *INSTALLED_APPS,
        *([] if django.VERSION >= (6, 0) else ["django_tasks"]),
        "django_tasks_db",
    ]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

if CARRIER == "celery":
    CELERY_BROKER_URL = os.environ["FAULTS_BROKER"]
    CELERY_TASK_DEFAULT_QUEUE = os.environ["FAULTS_QUEUE"]
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    # Short, so that a broker that hangs is given up within the test.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 2}
    if "FAULTS_SOFT_LIMIT" in os.environ:
        CELERY_TASK_SOFT_TIME_LIMIT = float(os.environ["FAULTS_SOFT_LIMIT"])

"""The Celery application, for ``celery -A example.celery worker`` with ``CARRIER=celery``."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")

app = Celery("example")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks(["resend_confirmation.carriers"], related_name="celery")

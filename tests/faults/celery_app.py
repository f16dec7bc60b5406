"""The host's Celery application: ``celery -A tests.faults.celery_app worker``."""

import django
from celery import Celery

django.setup()

app = Celery("tests")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks(["resend_confirmation.carriers"], related_name="celery")

"""Queue a message to every account: ``python -m tests.benchmarks.sites.queue 1000``."""

import sys

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from resend_confirmation import start  # noqa: E402
from resend_confirmation.models import Cooldown, Delivery  # noqa: E402

if __name__ == "__main__":
    Delivery.objects.all().delete()
    Cooldown.objects.all().delete()
    with transaction.atomic():
        for user in get_user_model()._default_manager.all()[: int(sys.argv[1])]:
            start(user)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

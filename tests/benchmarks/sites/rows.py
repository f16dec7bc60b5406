"""Create another package's tables and accounts: ``python -m tests.benchmarks.sites.rows 20000``."""

import json
import sys
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests.benchmarks.sites import address, session_key  # noqa: E402
from tests.benchmarks.sites.settings import KIND  # noqa: E402

#: The number of rows in a batch.
CHUNK = 500


def sessions(users):
    """Write the session that a sign-up leaves behind, for each of ``users``."""
    body = {"email": "template@example.com", "password": "q8#correct-horse"}
    path = "/app/v1/auth/signup"
    meta = Client().post(path, body, content_type="application/json").json()["meta"]
    template = json.dumps(SessionStore(meta["session_token"]).load())
    pk = get_user_model().objects.get(email=body["email"]).pk
    expires = timezone.now() + timedelta(days=1)
    for number, user in enumerate(users):
        text = template.replace(body["email"], user.email)
        for key in ("user_id", "user_pk"):
            text = text.replace(f'"{key}": "{pk}"', f'"{key}": "{user.pk}"')
        data = SessionStore().encode(json.loads(text))
        yield Session(session_key=session_key(number), session_data=data, expire_date=expires)


def seed(number):
    """Create the tables and ``number`` accounts that have not confirmed yet."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    addresses = [address(each) for each in range(number)]
    model = get_user_model()
    active = KIND != "djoser"
    users = model._default_manager.bulk_create(
        (model(username=each, email=each, is_active=active) for each in addresses), CHUNK
    )
    if apps.is_installed("allauth.account"):
        emails: Any = apps.get_app_config("account").get_model("EmailAddress")
        emails.objects.bulk_create(
            (emails(user=user, email=user.email, primary=True) for user in users), CHUNK
        )
    if KIND == "allauth":
        Session.objects.bulk_create(sessions(users), CHUNK)


if __name__ == "__main__":
    seed(int(sys.argv[1]))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

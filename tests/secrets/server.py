"""Django's development server with all logging, which a test starts as a separate process."""

import json
import logging
import sys
import tempfile
from typing import Any

import django
from django.conf import settings
from django.core import mail
from django.core.management import call_command

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402

from resend_confirmation import start  # noqa: E402
from resend_confirmation.courier import send_due  # noqa: E402
from resend_confirmation.signals import confirmed  # noqa: E402


def fail(sender: object, user: Any, **given: object) -> None:
    """Fail for one of the users, as a host's receiver might."""
    if user.username == "fails":
        raise RuntimeError("the host's own".upper())


def main(port: str) -> None:
    """Create the users, print their tokens on the first line of stdout, and serve."""
    with tempfile.TemporaryDirectory() as folder:
        settings.DATABASES["default"]["NAME"] = f"{folder}/served.sqlite3"
        call_command("migrate", verbosity=0)
        mail.outbox = []
        made = {}
        for name in ("good", "fails"):
            user = get_user_model().objects.create(username=name, email=f"{name}@example.com")
            start(user)
            send_due()
            made[name] = str(mail.outbox[-1].body).partition("token=")[2].split()[0]
        sys.stdout.write(json.dumps(made) + "\n")
        sys.stdout.flush()
        handler = logging.StreamHandler(sys.stderr)
        names = ["django", "django.server", "django.request", "django.db.backends"]
        for logger in (logging.getLogger(), *(logging.getLogger(each) for each in names)):
            logger.setLevel(logging.DEBUG)
            logger.handlers = [handler] if logger.name in {"root", "django.server"} else []
        confirmed.connect(fail)
        call_command("runserver", port, "--noreload", "--nothreading", skip_checks=True)


if __name__ == "__main__":
    main(sys.argv[1])

"""Request many confirmations at once and roll some back: ``python -m tests.faults.asker 500 100``.

The first number is how many accounts there are, the second how many of their requests are rolled
back. With ``FAULTS_QUIET`` the requests are quiet: the couriers look the accounts up.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from resend_confirmation import clients, engine  # noqa: E402
from resend_confirmation.outcomes import CONCEALED, Outcome  # noqa: E402


class UndoneError(Exception):
    """Rolls a block back."""


def ask(number, total_undone):
    """Send one request; the first ones are rolled back after they were answered."""
    request = engine.ResendRequest(
        identity=f"player{number}@example.com",
        client=clients.default(),
        quiet=CONCEALED if "FAULTS_QUIET" in os.environ else frozenset(),
    )
    try:
        with transaction.atomic():
            result = engine.resend(request)
            assert result.ending is Outcome.SENT, result
            if number < total_undone:
                raise UndoneError
    except UndoneError:
        pass
    finally:
        connection.close()


def main(total, undone):
    """Migrate, seed and ask, from four threads."""
    call_command("migrate", verbosity=0)
    users = get_user_model().objects.bulk_create(
        get_user_model()(username=f"player{n}", email=f"player{n}@example.com")
        for n in range(total)
    )
    for user in users:
        engine.start(user, send=False)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: ask(n, undone), range(total)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

"""People and staff who ask for messages without end: ``python -m tests.faults.visitors``.

They use every dialect, sign up again and send by hand. After each answer one line of JSON is added
to the file ``FAULTS_ANSWERS``: the address, the way, what was promised, and ``time.monotonic()``,
which all processes of a machine share. ``FAULTS_CLOCK_OFFSET`` is by how many seconds this
process's clock is wrong. ``... seed 100 20`` creates 100 accounts, of which 20 share ten addresses.
"""

import json
import os
import random
import sys
import time
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import Error, connections  # noqa: E402
from django.test import Client  # noqa: E402

from resend_confirmation import accounts, engine, start  # noqa: E402
from resend_confirmation.outcomes import Outcome  # noqa: E402
from tests.dialects.cases import all_cases  # noqa: E402
from tests.factories import address_of  # noqa: E402

from .clocks import set_the_clock_wrong  # noqa: E402

#: A message follows this answer.
PROMISED = "promised"
#: A message follows, or one went out within the cooldown before.
QUIET = "quiet"


def ask(user, case):
    """Send a request from a random network, and return what the answer promises."""
    asked = case.request_for(user.email)
    response = Client(raise_request_exception=False).generic(
        asked.method,
        "/",
        asked.body,
        content_type=asked.content_type,
        headers=asked.headers,
        PATH_INFO=unquote_to_bytes(asked.path).decode("latin-1"),
        QUERY_STRING=asked.query,
        REMOTE_ADDR=".".join(str(random.randrange(1, 255)) for _ in range(4)),
    )
    if response.status_code != case.endings[Outcome.SENT].status:
        return ""
    return PROMISED if case.is_candid else QUIET


def sign_up(user):
    """Start again, as when a sign-up form is sent twice."""
    start(user)
    return PROMISED


def send_by_hand(user):
    """Send again, as staff do."""
    account = accounts.store().get(user.pk, address_of(user.email))
    assert account is not None
    result = engine.send_to(account)
    return PROMISED if result.ending is Outcome.SENT else ""


def visit(ways, users, answers):
    """Do one thing, and write down what was promised."""
    user, (name, way) = random.choice(users), random.choice(ways)
    try:
        promise = way(user)
    except Error:
        # The database is away, and says so: nothing was promised.
        connections.close_all()
        return
    line = json.dumps([user.email, name, promise, time.monotonic()]) + "\n"
    os.write(answers, line.encode())


def main():
    """Visit a few times a second until stopped."""
    if offset := float(os.environ.get("FAULTS_CLOCK_OFFSET", "0")):
        set_the_clock_wrong(offset)
    answers = os.open(os.environ["FAULTS_ANSWERS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ways: list[tuple[str, Any]] = [(case.name, partial(ask, case=case)) for case in all_cases()]
    ways += [("start", sign_up), ("send", send_by_hand)] * 2
    users: list[Any] = []
    while True:
        try:
            users = users or list(get_user_model().objects.all())
            visit(ways, users, answers)
        except Error:
            connections.close_all()
        time.sleep(random.uniform(0.02, 0.2))


def seed(total, sharing):
    """Migrate, and create pending accounts; the last ones share an address in pairs."""
    call_command("migrate", verbosity=0)
    for number in range(total):
        shared = (number - total) // 2 if number >= total - sharing else number
        user = get_user_model().objects.create(
            username=f"player{number}", email=f"player{shared}@example.com"
        )
        start(user, send=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["seed"]:
        seed(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()

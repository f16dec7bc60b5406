"""Bulk runs that are killed at any moment write to nobody twice, and to everybody in the end."""

import signal
from collections import Counter

import pytest

from .conftest import wait_until

pytestmark = pytest.mark.faults

ACCOUNTS = 300
SEED = f"""
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from resend_confirmation import start
call_command("migrate", verbosity=0)
for number in range({ACCOUNTS}):
    name = f"player{{number}}"
    start(get_user_model().objects.create(username=name, email=f"{{name}}@example.com"), send=False)
"""
SEND = ("-m", "django", "resend_confirmation", "send", "--pending", "--run", "a")
#: The same, in batches of 20, until the process kills itself: after it has queued 40 messages.
KILLED = """
import os
import signal
import sys
import django
django.setup()
from django.core.management import call_command
from resend_confirmation.deliveries import outbox
from resend_confirmation.engine import runs
calls = 0
dies_before = sys.argv[1] == "before the commit"
queue_all, queue = outbox.queue_all, runs.queue
def queue_all_or_die(rows):
    global calls
    calls += 1
    if calls == 3 and dies_before:
        os.kill(os.getpid(), signal.SIGKILL)
    queue_all(rows)
def queue_or_die(*given, **more):
    done = queue(*given, **more)
    if calls == 2 and not dies_before:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
outbox.queue_all, runs.queue = queue_all_or_die, queue_or_die
call_command("resend_confirmation", "send", "--pending", "--run", "a", "--batch-size", "20")
"""


def test_kill_nine(world):
    """Each call is killed in its third batch or after its second, and the next one goes on."""
    world.serve()
    world.run("-c", SEED)
    moments = ["before the commit", "after the commit"]
    for call, moment in enumerate(moments * 3, start=1):
        assert world.spawn("-c", KILLED, moment).wait(60) == -signal.SIGKILL, world.log_text()
        assert len(world.rows()) == 40 * call
    world.run(*SEND)
    rows = world.rows()
    assert Counter(row["address"] for row in rows) == dict.fromkeys(
        (f"player{number}@example.com" for number in range(ACCOUNTS)), 1
    )
    world.start_couriers(2)
    wait_until(lambda: not world.unfinished(), world.log_text)
    assert Counter(map(len, world.sink.by_recipient().values())) == {1: ACCOUNTS}

"""Couriers in separate processes that kill themselves, at named points, by chance.

``python -m tests.faults.courier 3`` runs three and replaces each that was killed. ``FAULTS_KILL``
maps points to probabilities, as ``"after_claim=0.1,before_mark=0.05"``; ``FAULTS_JOURNAL`` names a
file to which each death is written before it happens. ``FAULTS_CLOCK_OFFSET`` is by how many
seconds this machine's clock is wrong; ``FAULTS_SCHEDULE_SCALE`` shortens every wait between
attempts.
"""

import os
import random
import signal
import sys
from threading import Event

import django

django.setup()

from django.db import Error, connections  # noqa: E402

from resend_confirmation import engine  # noqa: E402
from resend_confirmation.courier import pause  # noqa: E402
from resend_confirmation.deliveries import batches, claims, retries  # noqa: E402
from resend_confirmation.email_backend import Connection  # noqa: E402

from .clocks import set_the_clock_wrong  # noqa: E402

POINTS = ("before_claim_commits", "after_claim", "after_acceptance", "before_mark", "after_mark")

chances = {
    point: float(chance)
    for point, _, chance in (
        part.partition("=") for part in os.environ.get("FAULTS_KILL", "").split(",") if part
    )
}
assert set(chances) <= set(POINTS)


def perhaps_die(point, delivery_id):
    """Die as by kill -9, after writing down where and with which delivery."""
    if random.random() < chances.get(point, 0.0):
        with open(os.environ["FAULTS_JOURNAL"], "a") as journal:
            journal.write(f"{point} {delivery_id}\n")
            journal.flush()
            os.fsync(journal.fileno())
        os.kill(os.getpid(), signal.SIGKILL)


def around(module, name, wrapper):
    """Replace ``module.name`` by ``wrapper(original, ...)``."""
    original = getattr(module, name)
    setattr(module, name, lambda *args, **kwargs: wrapper(original, *args, **kwargs))


def take(original, pk, owner):
    taken = original(pk, owner)
    if taken:
        perhaps_die("before_claim_commits", pk)
    return taken


def claim(original, owner):
    made = original(owner)
    if made:
        perhaps_die("after_claim", made.delivery.pk)
    return made


def take_batch(original, pks, owner):
    taken = original(pks, owner)
    if taken:
        perhaps_die("before_claim_commits", pks[0])
    return taken


def claim_batch(original, owner, limit):
    made = original(owner, limit)
    if made:
        perhaps_die("after_claim", made[0].delivery.pk)
    return made


def send(original, self, message, delivery_id, heartbeat):
    result = original(self, message, delivery_id, heartbeat)
    if result.failure is None:
        perhaps_die("after_acceptance", delivery_id)
    return result


def mark(original, made, state, **values):
    perhaps_die("before_mark", made.delivery.pk)
    marked = original(made, state, **values)
    perhaps_die("after_mark", made.delivery.pk)
    return marked


def mark_and_hand_over(original, ahead, link, last):
    """Die before and after a commit with the last message's mark."""
    if last:
        perhaps_die("before_mark", last.claim.delivery.pk)
    result = original(ahead, link, last)
    if last and result[0]:
        perhaps_die("after_mark", last.claim.delivery.pk)
    return result


around(claims, "_take", take)
around(batches, "_take", take_batch)
around(batches, "claim", claim_batch)
around(batches, "hand_over", mark_and_hand_over)
around(claims, "claim", claim)
around(claims, "mark", mark)
around(Connection, "send", send)


def shorten_the_waits(scale):
    """Scale the waits between attempts, and the pause, by ``scale``."""
    retries.SCHEDULE = [wait * scale for wait in retries.SCHEDULE]
    pause.LENGTH *= scale


def drain():
    """Drain for ever; retry when the database is away, as every carrier does."""
    if offset := float(os.environ.get("FAULTS_CLOCK_OFFSET", "0")):
        set_the_clock_wrong(offset)
    shorten_the_waits(float(os.environ.get("FAULTS_SCHEDULE_SCALE", "1")))
    while True:
        try:
            idle = engine.drain(20).idle
        except Error:
            connections.close_all()
            idle = True
        if idle:
            # Twenty that look more often keep a machine busy with nothing else.
            Event().wait(0.25)


def main(number):
    """Keep ``number`` couriers running, each in a process forked after the imports."""
    running = 0
    while True:
        while running < number:
            if os.fork() == 0:
                drain()
            running += 1
        status = os.wait()[1]
        # A courier that ends otherwise than by SIGKILL is a fault: it is not replaced.
        running -= 1 if os.waitstatus_to_exitcode(status) == -signal.SIGKILL else 0


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Records of requests: how each one ended, found by the identity that was typed.

A request only notes its end in memory. Notes are written after a response, several at a time, so
that a refused request needs no statement of its own. This is best effort: a process that is killed
loses what it has not written yet.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from .. import addresses, database, failures
from ..addresses import Address
from ..models import Delivery, RequestRecord
from ..outcomes import Reason
from . import backlog

#: Maximum number of notes in memory; the oldest are dropped.
MOST = 1000
#: Notes are written after a response if there are this many, or if none were for this many seconds.
BATCH = 100
INTERVAL = 1.0
#: Length of a digest: 128 bits in hexadecimal.
DIGITS = 32


class Note(NamedTuple):
    """A request that ended, until it is written.

    ``delivery`` was not saved if the request was refused, for ``reason`` and ``at`` a time of
    ``time.monotonic()``.
    """

    identity: Address | str
    delivery: Delivery
    reason: Reason = Reason.NONE
    at: float = 0.0


#: The notes of this process that are not written yet.
notes: deque[Note] = deque(maxlen=MOST)
_written_at = -INTERVAL


def note_refusal(
    identity: Address | str, draft: Delivery, reason: Reason, caller: backlog.Caller
) -> None:
    """Note a request that was refused, unless too many were lately."""
    if identity and backlog.refused.has_room(partial(backlog.has_few, caller)):
        notes.append(Note(identity, draft, reason, time.monotonic()))


def note_delivery(identity: Address | str, delivery: Delivery) -> None:
    """Note a request that led to ``delivery``, after the commit."""
    database.on_commit(partial(notes.append, Note(identity, delivery)))


def of(identity: str) -> QuerySet[RequestRecord]:
    """Return the records of an identity, an address in any spelling; the newest come first."""
    found = addresses.read(identity.strip(addresses.BLANKS))
    return RequestRecord.objects.filter(digest__in=_digests(found)).order_by("-asked_at", "-pk")


def describe(record: RequestRecord) -> str:
    """Return how a request ended, in the active language; "" if its delivery was deleted."""
    delivery = record.delivery
    if delivery is None:
        return str(record.get_reason_display())
    words = (str(delivery.get_state_display()), str(delivery.get_reason_display()))
    return ": ".join(word for word in words if word)


@sensitive_variables()
def write() -> None:
    """Write the notes of this process. Errors are only logged, and lose them."""
    global _written_at  # noqa: PLW0603 - a time per process
    if not notes:
        return
    _written_at = time.monotonic()
    try:
        rows = [_row(note) for note in _taken()]
        refused = sum(row.delivery_id is None for row in rows)
        RequestRecord.objects.bulk_create(rows)
        if refused and backlog.refused.is_check_due(refused):
            backlog.refused.check()
    except Exception:
        failures.report("Requests could not be recorded")


def write_if_due() -> None:
    """Write the notes if it is time for it. Call it after a response was sent.

    In a transaction, which only tests have then, none are left for a later request.
    """
    is_due = len(notes) >= BATCH or time.monotonic() - _written_at >= INTERVAL
    if is_due or transaction.get_connection(database.using()).in_atomic_block:
        write()


def reset() -> None:
    """Drop the notes of this process."""
    notes.clear()


def _taken() -> Iterator[Note]:
    with suppress(IndexError):
        while True:
            yield notes.popleft()


def _row(note: Note) -> RequestRecord:
    delivery = note.delivery
    is_refused = delivery.pk is None
    age = timedelta(seconds=time.monotonic() - note.at)
    return RequestRecord(
        digest=_digests(note.identity)[0],
        asked_at=database.now() - age if is_refused else delivery.asked_at,
        dialect=delivery.dialect,
        client=delivery.client,
        reason=note.reason,
        delivery_id=delivery.pk,
    )


def _digests(identity: Address | str) -> list[str]:
    text = identity.canonical if isinstance(identity, Address) else identity
    return [digest[:DIGITS] for digest in addresses.keyed_digests(text, "identity")]

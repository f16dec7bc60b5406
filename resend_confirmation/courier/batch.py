"""A batch of claimed deliveries: written together, handed over one after the other.

Only messages with nothing unusual about them are sent from here. Any other claim, and any error,
is left to ``attempt``, which reads and decides everything again.
"""

import time
from collections.abc import Callable

from django.views.decorators.debug import sensitive_variables

from .. import conf, database, failures
from ..deliveries import batches, claims
from ..deliveries.batches import Accepted
from ..deliveries.claims import Claim
from ..email_backend import Connection, SendResult
from ..interruptions import Held
from ..outcomes import Priority
from . import prepared, results
from .attempt import attempt
from .prepared import Prepared
from .tally import Tally

#: Seconds for which the facts that a batch was decided by are used.
FRESH = 0.5
#: Share of that time which the sends of a batch are expected to take.
FILLED = 0.8
#: Largest number of deliveries that are claimed at once.
LARGEST = 100


def next_size(size: int, processed: int, seconds: float) -> int:
    """Return the size of the batch after one of ``size``: what is sent in most of ``FRESH``.

    Nothing is claimed long before its turn, so batches grow only while sends are fast.
    """
    fitting = int(processed * FRESH * FILLED / max(seconds, 1e-6))
    return max(1, min(2 * size, fitting, LARGEST))


class Batch:
    """Claims that were made together."""

    def __init__(
        self,
        ahead: list[Claim],
        connection: Connection,
        held: Held,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._ahead, self._connection = ahead, connection
        self._held, self._is_stopping = held, is_stopping
        #: The last message, if it was accepted and is not marked yet.
        self._unmarked: Accepted | None = None
        self._is_of_run = ahead[0].delivery.priority == Priority.RUN
        #: The messages whose gates are still reserved.
        self._sent: list[Claim] = []

    @sensitive_variables()
    def send(self) -> Tally:
        """Send the messages, and return their counts.

        It ends early if the queue is paused, if the courier is asked to stop, if the facts are too
        old, or if a person waits for a message while those of a bulk run are sent. The other
        deliveries are then due again.
        """
        # The gates stay reserved for twice the send deadline.
        seconds = min(FRESH, conf.get().SEND_DEADLINE.total_seconds())
        done, until = Tally(), time.monotonic() + seconds
        written = self._write()
        try:
            for place, claim in enumerate(self._ahead):
                if place and (done.paused or time.monotonic() > until or self._must_stop()):
                    self._finish()
                    batches.put_back(self._ahead[place:])
                    break
                done += self._process(claim, written.get(claim.delivery.pk))
        finally:
            self._finish()
        return done

    def _must_stop(self) -> bool:
        # People do not wait for the rest of a run's batch.
        if self._is_of_run and claims.is_anybody_waiting():
            return True
        if self._held.is_waiting:
            # The handlers are called only after the last message is marked.
            self._mark_last()
            if self._held.must_end():
                return True
        return self._is_stopping()

    def _write(self) -> dict[int, Prepared]:
        """Return the messages by the keys of their deliveries."""
        # The link's lifetime begins when it is assigned, so the connection is opened first.
        if self._connection.open() is not None:
            return {}
        return {each.claim.delivery.pk: each for each in prepared.prepare_all(self._ahead)}

    def _process(self, claim: Claim, ready: Prepared | None) -> Tally:
        if ready is None or not self._hand_over(ready):
            self._mark_last()
            begun = batches.begin(claim)
            return attempt(begun, self._connection) if begun else Tally(skipped=1)
        # The retries are scheduled by the number of attempts.
        claim.delivery.attempts += 1
        result = self._connection.send(
            ready.mail, claim.delivery.pk, heartbeat=lambda: claims.heartbeat(claim)
        )
        if result.failure is not None:
            return results.settle(claim, result)
        self._unmarked = Accepted(claim, result.provider_id)
        return Tally(sent=1)

    def _hand_over(self, ready: Prepared) -> bool:
        """Record the hand-over and the last message's result; return whether to hand over."""
        if not self._connection.is_open:
            # Connecting may take long.
            self._mark_last()
            if self._connection.open() is not None:
                return False
        try:
            is_marked, is_handed = batches.hand_over(ready.claim, ready.link, self._unmarked)
        except database.DISCONNECTS:
            # The parts of the transaction are repeated one by one, on a new connection.
            return False
        except Exception:
            failures.report("Delivery %d is processed by itself", ready.claim.delivery.pk)
            return False
        self._note_mark(is_marked)
        self._mark_last()
        return is_handed

    def _finish(self) -> None:
        """Mark the last message, and leave the gates of all."""
        sent = [*self._sent, *([self._unmarked.claim] if self._unmarked else [])]
        if not sent:
            return
        try:
            self._note_mark(batches.finish(sent, self._unmarked))
        except Exception:
            failures.report("The ends of %d sends could not be recorded together", len(sent))
        self._sent = []
        self._mark_last()

    def _note_mark(self, is_marked: bool) -> None:
        if is_marked and self._unmarked is not None:
            self._sent.append(self._unmarked.claim)
            self._unmarked = None

    def _mark_last(self) -> None:
        """Mark the last message by itself, if it was not marked with a hand-over."""
        if self._unmarked is not None:
            unmarked, self._unmarked = self._unmarked, None
            results.settle(unmarked.claim, SendResult(provider_id=unmarked.provider_id))

"""Processing of due deliveries, with one mail connection for all rounds of a drain."""

import time
from collections.abc import Callable

from .. import failures
from ..deliveries import batches, claims
from ..email_backend import Connection
from ..interruptions import Held
from . import pause
from .attempt import attempt
from .batch import Batch, next_size
from .tally import Tally

#: Size of the first batch.
FIRST_SIZE = 1


class Sender:
    """A context that keeps the mail connection, and the size of batches, from round to round."""

    def __init__(self) -> None:
        self._connection = Connection()
        self._size = FIRST_SIZE

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        # A signal's handler must not raise in the middle of the end of the session.
        with Held():
            self._connection.close()

    @failures.discreet
    def send_due(self, limit: int, is_stopping: Callable[[], bool]) -> Tally:
        """Claim and send up to ``limit`` due deliveries, one after the other.

        End early if nothing is due, if ``is_stopping`` returns True, or if the queue is paused. The
        queue is paused if the e-mail settings do not work or the hourly budget is used up. If only
        a share of the budget is used up, the deliveries limited to that share wait for the next
        hour, and others are sent. Signals, and exceptions raised by their handlers, are held back
        until the current message is finished and marked.
        """
        done = Tally()
        claims.reclaim()
        if pause.paused_by() is not None:
            return Tally(paused=True)
        owner = claims.new_owner()
        with Held() as held:
            while done.processed < limit and not done.paused:
                if held.must_end() or is_stopping():
                    break
                started, most = time.monotonic(), min(self._size, limit - done.processed)
                # Some deliveries are claimed by themselves, and so is the first one.
                if most > 1 and (ahead := batches.claim(owner, most)):
                    step = Batch(ahead, self._connection, held, is_stopping).send()
                elif claim := claims.claim(owner):
                    step = attempt(claim, self._connection)
                else:
                    break
                done += step
                self._size = next_size(self._size, step.processed, time.monotonic() - started)
        return done


def send_due(limit: int = 100, is_stopping: Callable[[], bool] = lambda: False) -> Tally:
    """Send up to ``limit`` due deliveries over a mail connection of their own."""
    with Sender() as sender:
        return sender.send_due(limit, is_stopping)

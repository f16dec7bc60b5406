"""Reminders: bulk runs to accounts that have not confirmed for some time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .. import database
from ..accounts import Account
from ..deliveries.outbox import NewDelivery
from ..models import Confirmation, Run
from ..outcomes import DeliveryState
from . import runs
from .run_choice import Chooses, Pick, Row, Totals

#: States of a last message after which another one would be unwelcome, or in vain.
_UNWELCOME = frozenset({DeliveryState.BOUNCED, DeliveryState.COMPLAINED})


class OvertakenError(Exception):
    """Another process reminded one of the accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Chooses the accounts to remind: those that ``also`` chooses, and that wait long enough.

    The confirmation was requested longer ago than ``after``, and so was its newest message. It had
    fewer than ``at_most`` reminders.
    """

    after: timedelta
    at_most: int
    also: Chooses
    now: datetime

    def __call__(self, account: Account, row: Row | None) -> bool:
        """Return whether the account is to be reminded."""
        if row is None or row.last_delivery_state in _UNWELCOME or row.reminders >= self.at_most:
            return False
        # A message that was requested may not have been sent: its request counts as well.
        times = (row.requested_at, row.last_sent_at, row.asked_at)
        until = self.now - self.after
        return all(at is None or at < until for at in times) and self.also(account, row)


def run_name() -> str:
    """Return the name of the run of today's reminders."""
    return f"reminders-{database.now():%Y-%m-%d}"


def queue(
    run: Run,
    accounts: Sequence[Account],
    chooses: Chooses,
    *,
    most: int | None = None,
    rate: float | None = None,
) -> Totals:
    """Queue the reminders and count them, like ``runs.queue``."""
    while True:
        try:
            return runs.queue(run, accounts, chooses, most=most, rate=rate, note=_count)
        except OvertakenError:
            # The batch is chosen again, by the rows that the other process wrote.
            continue


def _count(picks: Sequence[Pick], rows: Sequence[NewDelivery]) -> None:
    """Count the reminders; raise OvertakenError if one was counted since it was chosen."""
    keys = defaultdict[int, set[Any]](set)
    for pick, delivery in zip(picks, rows, strict=True):
        keys[pick.row.reminders if pick.row else 0].add(delivery.confirmation_id)
    for count, some in keys.items():
        # The confirmation of a new address goes on with the count of the former one.
        known = Confirmation.objects.filter(pk__in=some, reminders__lte=count)
        if known.update(reminders=count + 1) != len(some):
            raise OvertakenError

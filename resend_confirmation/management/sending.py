"""What ``resend_confirmation send`` does: one message for an identity, or one for all who wait."""

import enum
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from .. import accounts, addresses, clients, clock, engine
from ..accounts import Account
from ..clients import Client
from ..engine import ResendRequest, Result, matching
from ..limits import cooldown
from ..models import Confirmation, Suppression
from ..outcomes import Ending, Origin, Outcome, Refusal

#: Accounts of a bulk resend that are in memory at once.
PIECE = 500


class Kept(enum.Enum):
    """An ending that operators are told of, and callers never."""

    SUPPRESSED = "suppressed"


#: What an operator reads of an ending.
WORDS: dict[Ending | Kept, str] = {
    Kept.SUPPRESSED: "suppressed, no message",
    Outcome.SENT: "queued",
    Outcome.UNKNOWN: "nobody has this identity",
    Outcome.CONFIRMED: "already confirmed",
    Outcome.BLOCKED: "account deactivated or confirmation withdrawn",
    Outcome.COOLING_DOWN: "asked again too soon",
    Refusal.INVALID: "this cannot be anybody's identity",
    Refusal.NOT_ENABLED: "the client needs no confirmation",
    Refusal.UNKNOWN_CLIENT: "no client is configured",
}


@dataclass(frozen=True, slots=True)
class Way:
    """How to send: ``client`` None is the confirmation's own, ``dry`` only looks."""

    client: Client | None = None
    dialect: str = ""
    dry: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """Which of those who wait are meant.

    Those whose confirmation was requested longer ago than ``older_than`` and less long ago than
    ``newer_than``; ``limit`` is the number of messages after which to stop.
    """

    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """How one of them ended: how long to wait, or since when the address is suppressed."""

    ending: Ending | Kept
    retry_after: int = 0
    since: datetime | None = None


@dataclass(slots=True)
class Sums:
    """How many ended how, and since when the first of the suppressed is."""

    endings: Counter[Ending | Kept] = field(default_factory=Counter)
    since: datetime | None = None

    def add(self, told: Told) -> None:
        """Count one more."""
        self.endings[told.ending] += 1
        if told.since is not None:
            self.since = min(told.since, self.since or told.since)


def describe(told: Told, way: Way) -> str:
    """Return an ending in words, with the seconds to wait where waiting helps."""
    words = WORDS[told.ending]
    if way.dry and told.ending is Outcome.SENT:
        words = f"would be {words}"
    if told.since:
        words = f"{words}: since {told.since.isoformat(' ', 'minutes')}"
    return f"{words}: wait {told.retry_after} s" if told.retry_after else words


def send(identity: str, way: Way) -> Told:
    """Send to every pending account that ``identity`` names; they share one cooldown."""
    result = _send_to(identity, way)
    return result if isinstance(result, Told) else Told(result.ending, result.retry_after)


def _send_to(identity: str, way: Way) -> Result | Told:
    identity = identity.strip(addresses.BLANKS)
    if not identity or len(identity) > addresses.MAX_LENGTH or not addresses.is_clean(identity):
        return Result(Refusal.INVALID, identity)
    found = matching.find(identity)
    waiting = matching.pending(found)
    if not waiting:
        return Result(matching.outcome_without_pending(found), identity)
    if told := _suppressed(waiting[0]):
        return told
    if way.dry:
        return _foresee(waiting[0])
    client = way.client or _own_client(waiting[0])
    # As a dialect that cannot name a redirect: the link leads where the newest one did.
    return engine.resend(ResendRequest(identity=identity, client=client, dialect=way.dialect))


def _suppressed(account: Account) -> Told | None:
    found = Suppression.of(account.mailbox)
    return Told(Kept.SUPPRESSED, since=found.since) if found else None


def _own_client(account: Account) -> Client | None:
    row = Confirmation.objects.filter(pk=_row_of(account) or 0).values_list("client", flat=True)
    return clients.by_name(row.first() or "") or clients.default()


def _row_of(account: Account) -> int | None:
    """The confirmation that says since when it waits, and for which client."""
    return account.confirmation_id or account.former_id


def send_all(
    waiting: Waiting,
    way: Way,
    report: Callable[[Sums], None],
    is_stopping: Callable[[], bool] = lambda: False,
) -> Sums:
    """Send to everybody who waits, in memory that does not grow with their number.

    Each in a transaction of its own, so that an interruption loses nothing and a second run
    goes on: the cooldown holds back those that were served. ``report`` is told how far it is.
    ``is_stopping`` is asked before each. Returns how many ended how.
    """
    sums = Sums()
    for piece in _pieces(accounts.store().pending()):
        for account, client in _chosen(piece, waiting):
            is_enough = waiting.limit is not None and sums.endings[Outcome.SENT] >= waiting.limit
            if is_enough or is_stopping():
                return sums
            sums.add(_send(account, client, way))
        report(sums)
    return sums


def _pieces(waiting: Iterator[Account]) -> Iterator[list[Account]]:
    while piece := list(islice(waiting, PIECE)):
        yield piece


def _chosen(piece: list[Account], waiting: Waiting) -> Iterator[tuple[Account, str]]:
    """The accounts that are meant, each with the name of its confirmation's client."""
    now = clock.now()
    rows = Confirmation.objects.filter(pk__in=[row for a in piece if (row := _row_of(a))])
    if waiting.older_than is not None:
        rows = rows.filter(requested_at__lt=now - waiting.older_than)
    if waiting.newer_than is not None:
        rows = rows.filter(requested_at__gt=now - waiting.newer_than)
    client_of = dict(rows.values_list("pk", "client"))
    # An account that our tables do not know yet has waited for no time that could be told.
    timed = waiting.older_than is not None or waiting.newer_than is not None
    for account in piece:
        if _row_of(account) in client_of or not timed:
            yield account, client_of.get(_row_of(account) or 0, "")


def _send(account: Account, name: str, way: Way) -> Told:
    if matching.pending([account]) and (told := _suppressed(account)):
        return told
    result = _foresee(account) if way.dry else _queue(account, name, way)
    return Told(result.ending, result.retry_after)


def _queue(account: Account, name: str, way: Way) -> Result:
    client = way.client or clients.by_name(name) or clients.default()
    return engine.send_to(
        account,
        client=client.name if client else "",
        dialect=way.dialect,
        origin=Origin.RUN,
    )


def _foresee(account: Account) -> Result:
    """What sending would come to, as far as can be told without taking the cooldown."""
    if not matching.pending([account]):
        return Result(matching.outcome_without_pending([account]))
    now = clock.now()
    wait = cooldown.seconds_left(account.cooldown, now) if account.cooldown else 0
    return Result(Outcome.COOLING_DOWN if wait else Outcome.SENT, retry_after=wait)

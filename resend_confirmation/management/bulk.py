"""``resend_confirmation send`` with ``--pending`` or ``--file``: a bulk run."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TextIO

from django.core.management.base import OutputWrapper
from tqdm import tqdm

from .. import accounts, addresses
from ..accounts import Account
from ..engine import runs
from ..engine.requests import find_accounts, outcome_without_pending, pending_accounts
from ..engine.run_choice import Chooses, Row, RunEnding, Totals, preview
from ..models import Confirmation, Run
from ..outcomes import ConfirmationState, Ending, Outcome, Refusal

#: Accounts that a dry run shows.
SHOWN = 10
#: Endings after which nothing is left to do for an account.
DONE: frozenset[Ending | RunEnding] = frozenset(
    {Outcome.SENT, RunEnding.DELAYED, RunEnding.IN_RUN, RunEnding.UNDER_WAY}
)
#: Seconds between two reports of the progress.
REPORT_INTERVAL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the confirmations of a run have in common; None and an empty string match all.

    ``older_than`` and ``newer_than`` are the ages of the request, ``not_sent_since`` the age of
    the last message, if there is one. ``language`` also matches its regional variants. ``domain``
    is that of the address, in its canonical form.
    """

    last_state: str | None = None
    never_sent: bool = False
    not_sent_since: timedelta | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    client: str | None = None
    dialect: str | None = None
    language: str | None = None
    domain: str | None = None
    now: datetime

    def __call__(self, account: Account, row: Row | None) -> bool:
        """Return whether the filters match. Without a confirmation, there is only an address."""
        if self.domain and account.mailbox.canonical.rpartition("@")[2] != self.domain:
            return False
        return self._matches(row) if row else not self._concerns_confirmations

    @property
    def _concerns_confirmations(self) -> bool:
        names = ("last_state", "older_than", "newer_than", "client", "dialect", "language")
        return any(getattr(self, name) is not None for name in names)

    def _matches(self, row: Row) -> bool:
        language = row.language.lower().replace("_", "-")
        wanted = (self.language or "").lower().replace("_", "-")
        return (
            self.last_state in {None, row.last_delivery_state}
            and self.client in {None, row.client}
            and self.dialect in {None, row.dialect}
            and (not wanted or f"{language}-".startswith(f"{wanted}-"))
            and not (self.never_sent and row.last_sent_at)
            and (self.not_sent_since is None or self._is_before(row.last_sent_at))
            and (self.older_than is None or row.requested_at < self.now - self.older_than)
            and (self.newer_than is None or row.requested_at > self.now - self.newer_than)
        )

    def _is_before(self, sent_at: datetime | None) -> bool:
        since = self.not_sent_since or timedelta(0)
        return sent_at is None or sent_at < self.now - since


@dataclass(slots=True, kw_only=True)
class Bulk:
    """One call of the command: its run, and what it has done so far.

    ``run`` is None in a dry run of a run that does not exist. ``most`` is the highest number of
    messages of this call, and ``rate`` the number that becomes due in a second. ``queue`` queues
    a batch. ``refuse`` is
    called with each identity for which nothing could be queued, and the reason.
    """

    run: Run | None
    chooses: Chooses
    queue: Callable[..., Totals]
    most: int | None = None
    rate: float | None = None
    size: int = runs.BATCH
    dry: bool = False
    refuse: Callable[[str, Ending], Any] = lambda identity, ending: None
    totals: Totals = field(default_factory=Totals)
    #: The first accounts of a dry run.
    shown: list[Account] = field(default_factory=list)

    def send(
        self,
        identities: Iterable[str] | None,
        report: Callable[[int, Totals], Any],
        is_stopping: Callable[[], bool],
    ) -> None:
        """Send to the accounts that ``identities`` name, or to all pending accounts.

        ``report`` is called after each batch with the number of entries that were read, and
        ``is_stopping`` before each one. Raise RunCancelledError if the run was cancelled.
        """
        # A host's store may return a list, which ``islice`` would begin again for each batch.
        source = iter(accounts.store().pending() if identities is None else identities)
        while not is_stopping() and (self._room is None or self._room > 0):
            entries: list[Any] = list(islice(source, self.size))
            if not entries:
                break
            self._send_to(entries if identities is None else list(self._accounts_of(entries)))
            report(len(entries), self.totals)

    @property
    def _room(self) -> int | None:
        return None if self.most is None else self.most - self.totals.queued

    def _send_to(self, some: list[Account]) -> None:
        if not self.dry and self.run is not None:
            queued = self.queue(self.run, some, self.chooses, most=self._room, rate=self.rate)
            self.totals.add(queued)
            return
        chosen, likely = preview(self.run, some, self.chooses, most=self._room)
        self.shown += chosen[: SHOWN - len(self.shown)]
        self.totals.add(likely)

    def _accounts_of(self, identities: Iterable[str]) -> Iterator[Account]:
        for text in identities:
            identity = text.strip(addresses.BLANKS)
            if len(identity) > addresses.MAX_LENGTH or not addresses.is_clean(identity):
                self._refuse(identity, Refusal.INVALID)
                continue
            found = find_accounts(identity)
            waiting = pending_accounts(found)
            if not waiting:
                self._refuse(identity, outcome_without_pending(found))
            yield from waiting

    def _refuse(self, identity: str, ending: Ending) -> None:
        self.totals.endings[ending] += 1
        self.refuse(identity, ending)


def identities_in(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file that are not empty."""
    return (line.strip() for line in file if line.strip())


def pending_count() -> int:
    """Return the number of pending confirmations: about as many as there are pending accounts."""
    return Confirmation.objects.filter(state=ConfirmationState.PENDING).count()


class _Stream:
    """The error stream of the command, without its line ends and its colour for errors."""

    def __init__(self, stream: OutputWrapper) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text, str, ending="")

    def flush(self) -> None:
        self._stream.flush()


class Progress(tqdm):  # type: ignore[type-arg]
    """A progress bar on a terminal, and a line a second elsewhere."""

    # tqdm would start a thread.
    monitor_interval = 0

    def __init__(self, total: int | None, stream: OutputWrapper, *, is_shown: bool) -> None:
        self._is_terminal = stream.isatty()
        super().__init__(
            total=total,
            file=_Stream(stream),
            unit=" accounts",
            mininterval=0.1 if self._is_terminal else REPORT_INTERVAL,
            miniters=1,
            disable=not is_shown,
        )

    def note(self, count: int, totals: Totals) -> None:
        """Report that ``count`` more entries were read."""
        self.set_postfix_str(f"{totals.queued} queued", refresh=False)
        self.update(count)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show the progress now."""
        if self._is_terminal:
            super().display(msg, pos)
        elif self.n:
            self.fp.write(f"{self}\n")

    def close(self) -> None:
        """Show the last progress, if it was not shown yet."""
        if self._is_terminal or self.disable:
            super().close()
        elif self.last_print_n < self.n:
            self.refresh()

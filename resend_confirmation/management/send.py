"""``resend_confirmation send``: messages for identities, or for all pending accounts."""

import enum
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from .. import accounts, addresses, clients, database, engine
from ..accounts import Account
from ..clients import Client
from ..engine import ResendRequest, Result
from ..engine.requests import find_accounts, outcome_without_pending, pending_accounts
from ..limits import cooldown, suppression
from ..models import Confirmation
from ..outcomes import Ending, Origin, Outcome, Refusal

#: Accounts that a bulk resend loads at a time.
ACCOUNTS_AT_ONCE = 500


class Withheld(enum.Enum):
    """An ending that is reported to operators and never to callers."""

    SUPPRESSED = "suppressed"


#: Texts of the endings for operators.
WORDS: dict[Ending | Withheld, str] = {
    Withheld.SUPPRESSED: "suppressed",
    Outcome.SENT: "queued",
    Outcome.UNKNOWN: "no matching account",
    Outcome.CONFIRMED: "already confirmed",
    Outcome.BLOCKED: "account deactivated or confirmation withdrawn",
    Outcome.COOLING_DOWN: "requested again too soon",
    Refusal.INVALID: "not a valid address or user name",
    Refusal.NOT_ENABLED: "the client does not require confirmation",
    Refusal.UNKNOWN_CLIENT: "no client is configured",
}


@dataclass(frozen=True, slots=True)
class SendOptions:
    """Options of sending; ``client`` None is the client of the confirmation."""

    client: Client | None = None
    dialect: str = ""
    dry: bool = False


@dataclass(frozen=True, slots=True)
class PendingFilter:
    """The pending accounts of a bulk resend.

    Their confirmations were requested more than ``older_than`` and less than ``newer_than`` ago;
    ``limit`` is the highest number of messages.
    """

    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The ending for one account, the seconds to wait, and the time of a suppression."""

    ending: Ending | Withheld
    retry_after: int = 0
    since: datetime | None = None


@dataclass(slots=True)
class Totals:
    """The number of each ending, and the time of the earliest suppression."""

    endings: Counter[Ending | Withheld] = field(default_factory=Counter)
    since: datetime | None = None

    def add(self, report: Report) -> None:
        """Count ``report``."""
        self.endings[report.ending] += 1
        if report.since is not None:
            self.since = min(report.since, self.since or report.since)


def describe(report: Report, options: SendOptions) -> str:
    """Return the text of an ending, with the seconds to wait if there are any."""
    words = WORDS[report.ending]
    if options.dry and report.ending is Outcome.SENT:
        words = f"would be {words}"
    if report.since:
        words = f"{words} since {report.since.isoformat(' ', 'minutes')}"
    return f"{words}: wait {report.retry_after} s" if report.retry_after else words


def send(identity: str, options: SendOptions) -> Report:
    """Send to every pending account of ``identity``; they share one cooldown."""
    result = _send_to(identity, options)
    return result if isinstance(result, Report) else Report(result.ending, result.retry_after)


def _send_to(identity: str, options: SendOptions) -> Result | Report:
    identity = identity.strip(addresses.BLANKS)
    if not identity or len(identity) > addresses.MAX_LENGTH or not addresses.is_clean(identity):
        return Result(Refusal.INVALID, identity)
    found = find_accounts(identity)
    waiting = pending_accounts(found)
    if not waiting:
        return Result(outcome_without_pending(found), identity)
    if report := _suppressed(waiting[0]):
        return report
    if options.dry:
        return _preview(waiting[0])
    client = options.client or _own_client(waiting[0])
    # Without a redirect: the link leads where the newest one did.
    return engine.resend(ResendRequest(identity=identity, client=client, dialect=options.dialect))


def _suppressed(account: Account) -> Report | None:
    since = suppression.since(account.mailbox)
    return Report(Withheld.SUPPRESSED, since=since) if since else None


def _own_client(account: Account) -> Client | None:
    row = Confirmation.objects.filter(pk=_row_of(account) or 0).values_list("client", flat=True)
    return clients.by_name(row.first() or "") or clients.default()


def _row_of(account: Account) -> int | None:
    """Return the key of the confirmation that has the account's client and time of request."""
    return account.confirmation_id or account.former_id


def send_all(
    chosen: PendingFilter,
    options: SendOptions,
    report: Callable[[Totals], None],
    is_stopping: Callable[[], bool] = lambda: False,
) -> Totals:
    """Send to all pending accounts, in constant memory, and return the totals.

    Each message has a separate transaction, so an interruption loses nothing. A second run
    continues for as long as the cooldown excludes the accounts that were served. Calls ``report``
    after each chunk, and ``is_stopping`` before each account.
    """
    totals = Totals()
    # A host's store may return a list, which ``islice`` would begin again for each chunk.
    for chunk in _chunks(iter(accounts.store().pending())):
        for account, client in _chosen(chunk, chosen):
            is_enough = chosen.limit is not None and totals.endings[Outcome.SENT] >= chosen.limit
            if is_enough or is_stopping():
                return totals
            totals.add(_send(account, client, options))
        report(totals)
    return totals


def _chunks(pending: Iterator[Account]) -> Iterator[list[Account]]:
    while chunk := list(islice(pending, ACCOUNTS_AT_ONCE)):
        yield chunk


def _chosen(chunk: list[Account], chosen: PendingFilter) -> Iterator[tuple[Account, str]]:
    """Yield the accounts that the filter selects, each with the client of its confirmation."""
    now = database.now()
    rows = Confirmation.objects.filter(pk__in=[row for a in chunk if (row := _row_of(a))])
    if chosen.older_than is not None:
        rows = rows.filter(requested_at__lt=now - chosen.older_than)
    if chosen.newer_than is not None:
        rows = rows.filter(requested_at__gt=now - chosen.newer_than)
    client_of = dict(rows.values_list("pk", "client"))
    # An account without a confirmation has no time of request.
    timed = chosen.older_than is not None or chosen.newer_than is not None
    for account in chunk:
        if _row_of(account) in client_of or not timed:
            yield account, client_of.get(_row_of(account) or 0, "")


def _send(account: Account, name: str, options: SendOptions) -> Report:
    if pending_accounts([account]) and (report := _suppressed(account)):
        return report
    result = _preview(account) if options.dry else _queue(account, name, options)
    return Report(result.ending, result.retry_after)


def _queue(account: Account, name: str, options: SendOptions) -> Result:
    client = options.client or clients.by_name(name) or clients.default()
    return engine.send_to(
        account,
        client=client.name if client else "",
        dialect=options.dialect,
        origin=Origin.RUN,
    )


def _preview(account: Account) -> Result:
    """Return the likely result of sending, without starting a cooldown."""
    if not pending_accounts([account]):
        return Result(outcome_without_pending([account]))
    now = database.now()
    wait = cooldown.seconds_left(account.cooldown, now) if account.cooldown else 0
    return Result(Outcome.COOLING_DOWN if wait else Outcome.SENT, retry_after=wait)

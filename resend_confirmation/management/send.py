"""``resend_confirmation send`` with identities: their messages, within the cooldown."""

from dataclasses import dataclass
from datetime import datetime

from .. import addresses, clients, database, engine
from ..accounts import Account
from ..clients import Client
from ..engine import ResendRequest, Result
from ..engine.requests import find_accounts, outcome_without_pending, pending_accounts
from ..engine.run_choice import RunEnding, key_of
from ..limits import cooldown, suppression
from ..models import Confirmation
from ..outcomes import Ending, Outcome, Refusal

#: Texts of the endings for operators.
WORDS: dict[Ending | RunEnding, str] = {
    RunEnding.SUPPRESSED: "suppressed",
    RunEnding.IN_RUN: "already queued in this run",
    RunEnding.UNDER_WAY: "already under way",
    RunEnding.DELAYED: "queued after the cooldown",
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
class Report:
    """The ending for one account, the seconds to wait, and the time of a suppression."""

    ending: Ending | RunEnding
    retry_after: int = 0
    since: datetime | None = None


def describe(report: Report, *, dry: bool) -> str:
    """Return the text of an ending, with the seconds to wait if there are any."""
    words = WORDS[report.ending]
    if dry and report.ending in {Outcome.SENT, RunEnding.DELAYED}:
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
    return Report(RunEnding.SUPPRESSED, since=since) if since else None


def _own_client(account: Account) -> Client | None:
    row = Confirmation.objects.filter(pk=key_of(account) or 0).values_list("client", flat=True)
    return clients.by_name(row.first() or "") or clients.default()


def _preview(account: Account) -> Result:
    """Return the likely result of sending, without starting a cooldown."""
    now = database.now()
    wait = cooldown.seconds_left(account.cooldown, now) if account.cooldown else 0
    return Result(Outcome.COOLING_DOWN if wait else Outcome.SENT, retry_after=wait)

"""``manage.py resend_confirmation``, for operators, cron and systemd."""

import json
from argparse import ArgumentParser
from itertools import takewhile
from typing import Any

from django.core.management import BaseCommand, CommandError

from ... import clients, engine, failures
from ...clients import Client
from ...courier import pause
from ...dialects.base import mounted_dialects
from ...outcomes import Outcome
from .. import arguments, send, status, stopping, work
from ..arguments import printable
from ..stopping import Stop

#: Exit code if sending is paused.
PAUSED = 3
#: Options that require --pending.
_BULK = ("older_than", "newer_than", "limit")


class Command(BaseCommand):
    """Resend confirmation messages, send queued ones, and show the state of the outbox."""

    help = "Resend confirmation messages, send queued ones, and show the state of the outbox."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Return a parser with errors that are safe to print."""
        parser: Any = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = arguments.Parser
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_to(parser)

    @failures.discreet
    def handle(self, *args: Any, **options: Any) -> None:
        subcommands = {
            "send": self._send,
            "drain": self._drain,
            "work": self._work,
            "prune": self._prune,
            "status": self._status,
        }
        subcommands[options["subcommand"]](options)

    def _send(self, options: dict[str, Any]) -> None:
        is_bulk = options["pending"]
        if is_bulk == bool(options["identities"]):
            raise CommandError("Give identities, or --pending.")
        if not is_bulk and any(options[name] is not None for name in _BULK):
            raise CommandError("--older-than, --newer-than and --limit require --pending.")
        how = send.SendOptions(
            client=_client(options["client"]),
            dialect=_dialect(options["dialect"]),
            dry=options["dry_run"],
        )
        with stopping.interruptible() as stop:
            if is_bulk:
                endings = self._send_all(options, how, stop).endings
            else:
                endings = self._send_each(options["identities"], how, stop).endings
        unsent = endings.total() - endings[Outcome.SENT]
        if unsent and not how.dry:
            raise CommandError(f"{unsent} of {endings.total()} were not queued.")

    def _send_each(self, identities: list[str], how: send.SendOptions, stop: Stop) -> send.Totals:
        totals = send.Totals()
        for identity in takewhile(lambda _: not stop.is_set(), identities):
            report = send.send(identity, how)
            totals.add(report)
            self._say(f"{identity}: {send.describe(report, how)}")
        return totals

    def _send_all(self, options: dict[str, Any], how: send.SendOptions, stop: Stop) -> send.Totals:
        chosen = send.PendingFilter(options["older_than"], options["newer_than"], options["limit"])
        report = self._progress if options["verbosity"] > 0 else _nothing
        totals = send.send_all(chosen, how, report, stop.is_set)
        for ending, count in totals.endings.items():
            since = totals.since if ending is send.Withheld.SUPPRESSED else None
            self._say(f"{send.describe(send.Report(ending, since=since), how)}: {count}")
        if not totals.endings and not stop.is_set():
            self._say("no pending accounts")
        return totals

    def _progress(self, totals: send.Totals) -> None:
        queued = totals.endings[Outcome.SENT]
        so_far = f"{totals.endings.total()} checked, {queued} queued"
        self.stderr.write(so_far, style_func=str)

    def _drain(self, options: dict[str, Any]) -> None:
        total = engine.Tally()
        with stopping.interruptible() as stop:
            for tally in engine.rounds(options["limit"], stop.is_set):
                total += tally
                if options["once"]:
                    break
            self._say(work.describe(total))
        why = pause.current() if total.paused else None
        if why and why.reason == "configuration":
            raise CommandError(printable(f"The queue is {why}."), returncode=PAUSED)
        if total.unsent:
            raise CommandError(f"{total.unsent} could not be sent; see the admin.")

    def _work(self, options: dict[str, Any]) -> None:
        if not work.work(options["concurrency"], options["poll"], self._say):
            raise CommandError("A courier ended by itself; see the log for the reason.")

    def _say(self, line: str) -> None:
        self.stdout.write(printable(line))
        # A pipe is buffered otherwise.
        self.stdout.flush()

    def _prune(self, options: dict[str, Any]) -> None:
        total = 0
        with stopping.interruptible() as stop:
            for deleted in engine.prune(options["batch"]):
                total += deleted
                if options["verbosity"] > 0:
                    self.stderr.write(f"{total} so far", style_func=str)
                if stop.is_set():
                    break
            self._say(f"deleted: {total}")

    def _status(self, options: dict[str, Any]) -> None:
        found = status.read()
        if options["json"]:
            self.stdout.write(json.dumps(found.as_dict(), indent=2))
            return
        if found.pause:
            self._say(str(found.pause))
        self._say("deliveries")
        self._table(found.deliveries)
        age = found.oldest_due_seconds
        since = "" if age is None else f", the oldest for {age:.0f} s"
        self._say(f"due now: {found.due}{since}")
        self._say(f"retrying: {found.retrying}")
        self._say(f"unresolved requests: {found.unresolved}")
        if found.budget:
            wait = ", resends wait" if found.budget.is_rest_reserved else ""
            self._say(f"this hour: {found.budget.used} of {found.budget.limit}{wait}")
        self._say("confirmations")
        self._table(found.confirmations)

    def _table(self, counts: dict[str, int]) -> None:
        for state, count in counts.items():
            self._say(f"  {state:<12}{count:>9}")


def _nothing(totals: send.Totals) -> None:
    """Report nothing."""


def _client(name: str | None) -> Client | None:
    if not name:
        return None
    client = clients.by_name(name)
    if client is None:
        known = ", ".join(sorted(clients.registry().by_name)) or "none"
        raise CommandError(f"Unknown client {name!r}. Known: {known}.")
    return client


def _dialect(name: str) -> str:
    if name and name not in (mounted := mounted_dialects()):
        known = ", ".join(sorted(mounted)) or "none"
        raise CommandError(f"No dialect {name!r} is mounted. Known: {known}.")
    return name

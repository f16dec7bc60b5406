"""``manage.py resend_confirmation``, for operators, cron and systemd."""

import json
from argparse import ArgumentParser
from collections import Counter
from dataclasses import asdict
from itertools import takewhile
from typing import Any

from django.core.management import BaseCommand, CommandError

from ... import clients, engine, failures
from ...clients import Client
from ...courier import pause
from ...dialects.base import mounted_dialects
from ...engine import status
from ...outcomes import Outcome
from .. import (
    arguments,
    by_hand,
    expiry,
    importing,
    preview,
    reminders,
    run,
    send,
    show,
    stopping,
    work,
)
from ..console import Console, printable
from ..run import USAGE
from ..stopping import Stop

#: Exit code if sending is paused.
PAUSED = 3


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
            "cancel": self._cancel,
            "show": self._show,
            "remind": self._remind,
            **dict.fromkeys(by_hand.SUBCOMMANDS, self._by_hand),
            "expire": self._expire,
            "import": self._import,
            "preview": self._preview,
        }
        self._console = Console(self.stdout, options["json"])
        subcommands[options["subcommand"]](options)

    def _send(self, options: dict[str, Any]) -> None:
        is_bulk = options["pending"] or options["file"] is not None
        ways = [options["pending"], options["file"] is not None, bool(options["identities"])]
        if sum(ways) != 1:
            raise CommandError("Give identities, --pending or --file.", returncode=USAGE)
        # The names are checked before anything is done.
        how = send.SendOptions(
            client=_client(options["client"]),
            dialect=_dialect(options["dialect"]),
            dry=options["dry_run"],
        )
        with stopping.interruptible() as stop:
            if is_bulk:
                complaint = run.carry_out(options, self._console, self.stderr, stop)
            else:
                _refuse_bulk_options(options)
                complaint = self._send_each(options["identities"], how, stop)
        if complaint:
            raise CommandError(complaint)

    def _send_each(self, identities: list[str], how: send.SendOptions, stop: Stop) -> str:
        endings: Counter[Any] = Counter()
        for identity in takewhile(lambda _: not stop.is_set(), identities):
            report = send.send(identity, how)
            endings[report.ending] += 1
            self._console.put(
                f"{identity}: {send.describe(report, dry=how.dry)}",
                identity=identity,
                result=report.ending.value,
                retry_after=report.retry_after,
            )
        unsent = endings.total() - endings[Outcome.SENT]
        return f"{unsent} of {endings.total()} were not queued." if unsent and not how.dry else ""

    def _cancel(self, options: dict[str, Any]) -> None:
        run.cancel(options["run"], self._console)

    def _show(self, options: dict[str, Any]) -> None:
        show.show(options["identity"], self._console)

    def _remind(self, options: dict[str, Any]) -> None:
        # The names are checked before anything is done.
        _client(options["client"]), _dialect(options["dialect"])
        with stopping.interruptible() as stop:
            complaint = reminders.remind(options, self._console, self.stderr, stop)
        if complaint:
            raise CommandError(complaint)

    def _by_hand(self, options: dict[str, Any]) -> None:
        by_hand.carry_out(options, self._console)

    def _expire(self, options: dict[str, Any]) -> None:
        with stopping.interruptible() as stop:
            complaint = expiry.expire(options, self._console, self.stderr, stop)
        if complaint:
            raise CommandError(complaint)

    def _import(self, options: dict[str, Any]) -> None:
        _client(options["client"])
        with stopping.interruptible() as stop:
            complaint = importing.carry_out(options, self._console, self.stderr, stop)
        if complaint:
            raise CommandError(complaint)

    def _preview(self, options: dict[str, Any]) -> None:
        if complaint := preview.preview(options, _client(options["client"]), self._console):
            raise CommandError(complaint)

    def _drain(self, options: dict[str, Any]) -> None:
        total = engine.Tally()
        with stopping.interruptible() as stop:
            for tally in engine.rounds(options["limit"], stop.is_set):
                total += tally
                if options["once"]:
                    break
            self._console.put(work.describe(total), **asdict(total))
        why = pause.current() if total.paused else None
        if why and why.reason == "configuration":
            raise CommandError(printable(f"The queue is {why}."), returncode=PAUSED)
        if total.unsent:
            raise CommandError(f"{total.unsent} could not be sent; see the admin.")

    def _work(self, options: dict[str, Any]) -> None:
        if not work.work(options["concurrency"], options["poll"], self._console.put):
            raise CommandError("A courier ended by itself; see the log for the reason.")

    def _prune(self, options: dict[str, Any]) -> None:
        total = 0
        with stopping.interruptible() as stop:
            for deleted in engine.prune(options["batch"]):
                total += deleted
                if options["verbosity"] > 0:
                    self.stderr.write(f"{total} so far", style_func=str)
                if stop.is_set():
                    break
            self._console.put(f"deleted: {total}", deleted=total)

    def _status(self, options: dict[str, Any]) -> None:
        found = status.read()
        if self._console.as_json:
            self.stdout.write(json.dumps(found.as_dict(), indent=2))
            return
        if found.pause:
            self._console.say(str(found.pause))
        self._console.say("deliveries")
        self._table(found.deliveries)
        age = found.oldest_due_seconds
        since = "" if age is None else f", the oldest for {age:.0f} s"
        self._console.say(f"due now: {_count(found.due)}{since}")
        self._console.say(f"retrying: {_count(found.retrying)}")
        self._console.say(f"unresolved requests: {_count(found.unresolved)}")
        if found.budget:
            wait = ", resends wait" if found.budget.is_rest_reserved else ""
            self._console.say(f"this hour: {found.budget.used} of {found.budget.limit}{wait}")
        self._console.say("confirmations")
        self._table(found.confirmations)
        for each in found.runs:
            self._console.say(f"run {each}")

    def _table(self, counts: dict[str, int]) -> None:
        for state, count in counts.items():
            self._console.say(f"  {state:<12}{_count(count):>9}")


def _count(value: int) -> str:
    """Return a count of ``status``, with a plus if it may be incomplete."""
    return f"{value}+" if value >= status.MOST else str(value)


def _refuse_bulk_options(options: dict[str, Any]) -> None:
    given = [name for name in run.ONLY_BULK if options[name]]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise CommandError(f"{names}: only with --pending or --file.", returncode=USAGE)


def _client(name: str | None) -> Client | None:
    if not name:
        return None
    client = clients.by_name(name)
    if client is None:
        known = ", ".join(sorted(clients.registry().by_name)) or "none"
        raise CommandError(f"Unknown client {name!r}. Known: {known}.", returncode=USAGE)
    return client


def _dialect(name: str | None) -> str:
    if name and name not in (mounted := mounted_dialects()):
        known = ", ".join(sorted(mounted)) or "none"
        raise CommandError(f"No dialect {name!r} is mounted. Known: {known}.", returncode=USAGE)
    return name or ""

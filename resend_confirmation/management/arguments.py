"""The arguments of ``resend_confirmation``, with their help."""

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from typing import Any, NoReturn

from django.core.management import BaseCommand
from django.core.management.base import CommandParser, DjangoHelpFormatter

from . import by_hand, expiry, importing, preview, reminders, show
from .console import printable
from .converters import positive, seconds
from .run_arguments import add_ages, add_filters, add_limits
from .work import CONCURRENCY

SEND = """\
Queue the confirmation message for pending accounts. The site's carrier or 'drain' sends what
was queued.

With identities, it prints a line with the result for each; a cooldown that lasts refuses the
message. With --pending or --file it is a bulk run, which writes to each account once: call it
again to go on where it ended, with the same --run. A cooldown that lasts delays the message.
Messages that people request are sent before those of a run.

The exit code is 0 if every message was queued, 1 otherwise, and 2 for invalid arguments. A
signal stops it after the current message or batch, with the results so far; the exit code is
then 128 plus the number of the signal (Ctrl-C: 130)."""

CANCEL = """\
Cancel a bulk run: its messages that are still queued are not sent, and it queues no more. The
cooldowns of these messages are released. The exit code is 1 if there is no such run."""

DRAIN = """\
Resolve quiet requests and send the messages that are due, in rounds, until nothing is due.
Several couriers may run at the same time. For cron, or by hand.

The exit code is 0 if everything was sent, nothing was due, or the hourly budget is used up; 1
if a message could not be sent (temporary errors are retried later); 3 if sending is paused
because the e-mail settings do not work. A signal stops it after the current message, and it
prints the counts; the exit code is then 128 plus the number of the signal (Ctrl-C: 130)."""

WORK = """\
Run 'drain' repeatedly, as a long-running process, for systemd or a container. Prints a line
for each round that did something.

SIGTERM, SIGINT and SIGHUP stop it after the current messages, with exit code 0. A second
signal ends it at once: deliveries it had claimed are retried when their leases expire. The
exit code is 1 if a courier ended by itself."""

PRUNE = """\
Delete rows that are past their retention: deliveries, ignored requests and cooldowns, in
batches with a separate transaction each. You can interrupt it at any time and run it again. A
signal stops it after the current batch."""

STATUS = """\
Count deliveries and confirmations. With --json, print one object with these keys:

  deliveries          number of deliveries by state
  due                 rows that a courier would claim now
  oldest_due_seconds  seconds since the oldest of them became due; null if none is due
  unresolved          quiet requests not resolved yet
  retrying            queued deliveries with earlier attempts
  paused              whether sending is paused
  pause               the pause: reason ("configuration" or "budget"), error_class, error_code,
                      since and until (ISO 8601); null if sending is not paused
  budget              the hourly budget: limit, used and until; null without a budget
  confirmations       number of confirmations by state
  runs                the newest bulk runs: name, started_at, queued, waiting and cancelled_at;
                      action; size, position and done: how many confirmations staff selected,
                      how many were processed, and for how many the action succeeded"""


class Parser(CommandParser):
    """Django's parser, but errors are safe to print: they quote what was typed."""

    def error(self, message: str) -> NoReturn:  # type: ignore[misc]
        super().error(printable(message))


class _Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions, and lists Django's own options last."""


def add_to(parser: ArgumentParser) -> None:
    """Add the subcommands, one of which is required, and their options."""
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    common = _common()

    def add(name: str, brief: str, description: str) -> ArgumentParser:
        return subcommands.add_parser(
            name, help=brief, description=description, formatter_class=_Formatter, parents=[common]
        )

    _add_send(add("send", "queue the confirmation message again", SEND))
    drain = add("drain", "send the messages that are due", DRAIN)
    drain.add_argument(
        "--limit", type=positive, default=100, metavar="N", help="rows per round (default: 100)"
    )
    drain.add_argument("--once", action="store_true", help="stop after one round")
    work = add("work", "drain repeatedly, as a long-running process", WORK)
    work.add_argument(
        "--concurrency",
        type=positive,
        default=CONCURRENCY,
        metavar="N",
        help=f"number of messages that are sent at a time (default: {CONCURRENCY}); each courier "
        "is a thread with a database connection and a mail connection",
    )
    work.add_argument(
        "--poll",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="seconds to wait when nothing is due (default: 5)",
    )
    prune = add("prune", "delete rows that are past their retention", PRUNE)
    prune.add_argument(
        "--batch", type=positive, default=1000, metavar="N", help="rows per batch (default: 1000)"
    )
    add("status", "count deliveries and confirmations", STATUS)
    add("cancel", "cancel a bulk run", CANCEL).add_argument("run", metavar="RUN", help="its name")
    show.add_to(add)
    reminders.add_to(add)
    by_hand.add_to(add)
    expiry.add_to(add)
    importing.add_to(add)
    preview.add_to(add)


def _common() -> ArgumentParser:
    """Return a parser of Django's own options, which may also follow a subcommand."""
    common = BaseCommand().create_parser("", "", add_help=False)
    for action in common._actions:
        # A default would overwrite a value given before the subcommand.
        action.default = SUPPRESS
    common.add_argument("--json", action="store_true", help="print JSON")
    return common


def _add_send(parser: ArgumentParser) -> None:
    parser.add_argument("identities", nargs="*", metavar="IDENTITY", help="address or user name")
    parser.add_argument(
        "--client",
        metavar="NAME",
        help="client to send for (default: the client of the confirmation); in a bulk run, only "
        "confirmations of this client",
    )
    parser.add_argument(
        "--dialect",
        metavar="NAME",
        help="dialect that decides where the link redirects; in a bulk run, only accounts whose "
        "newest message has this dialect",
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be sent")
    bulk = parser.add_argument_group("bulk runs")
    _add_bulk(bulk)
    add_limits(bulk)
    group = parser.add_argument_group("accounts of a bulk run")
    add_ages(group)
    add_filters(group)


def _add_bulk(bulk: Any) -> None:
    bulk.add_argument("--pending", action="store_true", help="all pending accounts")
    bulk.add_argument(
        "--file",
        metavar="PATH",
        help="accounts with the identities in this file, one on each line; - is the standard input",
    )
    bulk.add_argument(
        "--run", metavar="NAME", help="name of the run (default: today's date, in UTC)"
    )

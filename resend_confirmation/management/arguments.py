"""The arguments of ``resend_confirmation``, with their help."""

import re
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from datetime import timedelta
from typing import NoReturn

from django.core.management import BaseCommand
from django.core.management.base import CommandParser, DjangoHelpFormatter

from .. import conf
from .printing import printable

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

SEND = """\
Queue the confirmation message again, as staff would: the cooldown holds, and accounts that do
not wait get nothing. The site's carrier or 'drain' carries what was queued.

Prints a line for each identity: what was typed, and what came of it. Exit code 0 when every
message was queued, 1 otherwise. A signal ends it after what it has begun, with the lines and
counts so far; the exit code is 128 and the signal's number then (Ctrl-C: 130)."""

DRAIN = """\
Resolve what was asked and send what is due, round after round, until nothing is due any more.
Any number of couriers may run at once. For cron, or by hand.

Exit code 0 when everything was sent, nothing was due, or the hourly budget is used up; 1 when
a message could not be sent (it is tried again later where that can help); 3 when the queue is
paused, because the e-mail settings do not work. A signal lets it finish the message under way
and print the counts; the exit code is 128 and the signal's number then (Ctrl-C: 130)."""

WORK = """\
Drain as 'drain' does, and again and again: a process of the courier's own, for systemd or a
container. Prints a line for each round that did something.

SIGTERM, SIGINT and SIGHUP let it finish the message under way and end with exit code 0; a
second one ends it at once. What it had claimed then is taken over when its lease is over. Exit
code 1 when a courier ended by itself."""

PRUNE = """\
Delete what is past its retention: deliveries, ignored asks and cooldowns, batch by batch, each
in a transaction of its own. It may be interrupted at any time and run again. After a signal it
ends with its batch."""

STATUS = """\
Count what is on its way. With --json, one object with these keys:

  deliveries          deliveries by state, every state named
  due                 rows that a courier would take now
  oldest_due_seconds  for how long the oldest of them has been due; null when none is
  unresolved          quiet asks that nobody has looked up yet
  retrying            queued deliveries that were tried before
  paused              whether nothing is sent at present
  pause               why: reason ("configuration" or "budget"), error_class and error_code of
                      the e-mail backend, since and until when (ISO 8601); null when not paused
  budget              the hourly budget: limit, used, and until when; null when there is none
  confirmations       confirmations by state, every state named"""


def duration(text: str) -> timedelta:
    """A length of time such as ``90s``, ``30m``, ``12h`` or ``7d``; for argparse."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not match:
        raise ArgumentTypeError(f"{text!r} is no duration such as 90s, 30m, 12h or 7d")
    found = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if found > conf.LONGEST:
        raise ArgumentTypeError(f"{text!r} is longer than ten years")
    return found


def positive(text: str) -> int:
    """A whole number above 0; for argparse."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def seconds(text: str) -> float:
    """Seconds above 0, such as ``5`` or ``0.5``; for argparse."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or not float(text):
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return float(text)


class Parser(CommandParser):
    """Django's, whose complaints quote what was typed and are printed safely."""

    def error(self, message: str) -> NoReturn:  # type: ignore[misc]
        """Complain of the arguments, and end."""
        super().error(printable(message))


class _Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Descriptions keep their lines, and Django's own options come last."""


def add_to(parser: ArgumentParser) -> None:
    """Declare the subcommands, of which one is required, and their options."""
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    common = _common()

    def add(name: str, brief: str, description: str) -> ArgumentParser:
        return subcommands.add_parser(
            name, help=brief, description=description, formatter_class=_Formatter, parents=[common]
        )

    _add_send(add("send", "queue the message again", SEND))
    drain = add("drain", "send what is due", DRAIN)
    drain.add_argument(
        "--limit", type=positive, default=100, metavar="N", help="rows a round (default: 100)"
    )
    drain.add_argument("--once", action="store_true", help="stop after one round")
    work = add("work", "drain again and again", WORK)
    work.add_argument(
        "--concurrency", type=positive, default=1, metavar="N", help="couriers (default: 1)"
    )
    work.add_argument(
        "--poll",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to rest when nothing is due (default: 5)",
    )
    prune = add("prune", "delete what is past its retention", PRUNE)
    prune.add_argument(
        "--batch", type=positive, default=1000, metavar="N", help="rows a batch (default: 1000)"
    )
    report = add("status", "count what is on its way", STATUS)
    report.add_argument("--json", action="store_true", help="for machines")


def _common() -> ArgumentParser:
    """Django's own options, to be taken behind a subcommand as well as before it."""
    common = BaseCommand().create_parser("", "", add_help=False)
    for action in common._actions:
        # A default would overwrite what stood before the subcommand.
        action.default = SUPPRESS
    return common


def _add_send(parser: ArgumentParser) -> None:
    parser.add_argument("identities", nargs="*", metavar="IDENTITY", help="address or user name")
    parser.add_argument(
        "--client",
        metavar="NAME",
        help="in whose name (default: the confirmation's own client)",
    )
    parser.add_argument(
        "--dialect", default="", metavar="NAME", help="whose way of landing the link takes"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    bulk = parser.add_argument_group("for everybody who waits")
    bulk.add_argument("--pending", action="store_true", help="all accounts that wait")
    bulk.add_argument(
        "--older-than",
        type=duration,
        metavar="DURATION",
        help="that were asked to confirm longer ago than this: 90s, 30m, 12h, 7d",
    )
    bulk.add_argument(
        "--newer-than",
        type=duration,
        metavar="DURATION",
        help="that were asked to confirm less long ago than this",
    )
    bulk.add_argument(
        "--limit", type=positive, metavar="N", help="stop after N messages; run again for more"
    )

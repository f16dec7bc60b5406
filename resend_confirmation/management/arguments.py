"""The arguments of ``resend_confirmation``, with their help."""

import re
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from datetime import timedelta
from typing import NoReturn

from django.core.management import BaseCommand
from django.core.management.base import CommandParser, DjangoHelpFormatter

from .. import conf

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

SEND = """\
Queue the confirmation message for pending accounts. Cooldowns apply. The site's carrier or
'drain' sends what was queued.

Prints a line with the result for each identity. The exit code is 0 if every message was
queued, 1 otherwise. A signal stops it after the current message, with the results so far; the
exit code is then 128 plus the number of the signal (Ctrl-C: 130)."""

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
  confirmations       number of confirmations by state"""


def duration(text: str) -> timedelta:
    """Return the duration that ``text``, such as ``90s``, ``30m``, ``12h`` or ``7d``, names."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not match:
        raise ArgumentTypeError(f"{text!r} is not a duration (e.g. 90s, 12h)")
    found = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if found > conf.LONGEST_DURATION:
        raise ArgumentTypeError(f"{text!r} is longer than ten years")
    return found


def positive(text: str) -> int:
    """Return the positive integer that ``text`` is."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def seconds(text: str) -> float:
    """Return the positive number of seconds that ``text`` is, such as ``5`` or ``0.5``."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or not float(text):
        raise ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return float(text)


def printable(text: str) -> str:
    r"""Return ``text`` with non-printable characters escaped, such as ``\\x1b``.

    Control characters would act on the terminal, and line breaks would forge lines.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


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
        default=1,
        metavar="N",
        help="number of couriers, each a thread (default: 1)",
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
    report = add("status", "count deliveries and confirmations", STATUS)
    report.add_argument("--json", action="store_true", help="print JSON")


def _common() -> ArgumentParser:
    """Return a parser of Django's own options, which may also follow a subcommand."""
    common = BaseCommand().create_parser("", "", add_help=False)
    for action in common._actions:
        # A default would overwrite a value given before the subcommand.
        action.default = SUPPRESS
    return common


def _add_send(parser: ArgumentParser) -> None:
    parser.add_argument("identities", nargs="*", metavar="IDENTITY", help="address or user name")
    parser.add_argument(
        "--client",
        metavar="NAME",
        help="client to send for (default: the client of the confirmation)",
    )
    parser.add_argument(
        "--dialect",
        default="",
        metavar="NAME",
        help="dialect that decides where the link redirects",
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be sent")
    bulk = parser.add_argument_group("bulk resend")
    bulk.add_argument("--pending", action="store_true", help="all pending accounts")
    bulk.add_argument(
        "--older-than",
        type=duration,
        metavar="DURATION",
        help="only confirmations requested longer ago than this, e.g. 90s, 30m, 12h, 7d",
    )
    bulk.add_argument(
        "--newer-than",
        type=duration,
        metavar="DURATION",
        help="only confirmations requested within this time",
    )
    bulk.add_argument(
        "--limit", type=positive, metavar="N", help="stop after N messages; run again for more"
    )

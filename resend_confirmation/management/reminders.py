"""``resend_confirmation remind``: a bulk run to accounts that do not confirm."""

from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import OutputWrapper

from .. import database
from ..engine import reminders
from ..engine.run_choice import RunEnding
from .bulk import DONE
from .console import Console
from .converters import duration, positive
from .run import Kind, conduct, filters
from .run_arguments import add_filters, add_limits
from .stopping import Stop

REMIND = """\
Queue a reminder for pending accounts that requested their confirmation some time ago, and whose
last message is as old. For cron: call it once a day. It is a bulk run with the name
'reminders-' and the date, in UTC; each confirmation has a count of its reminders.

Addresses that bounced, reported spam or are suppressed get no reminder.

The exit code is 0 if each reminder that was due is queued; 1 if the run was cancelled or the
account store lists accounts that are not pending; 2 for invalid arguments. A signal stops it
after the current batch, with the results so far; the exit code is then 128 plus the number of
the signal (Ctrl-C: 130)."""

#: Reminders of suppressed addresses are not missed.
_DONE = DONE | {RunEnding.SUPPRESSED}


def add_to(add: Callable[[str, str, str], ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = add("remind", "remind accounts that do not confirm", REMIND)
    parser.add_argument(
        "--after",
        type=duration,
        default=timedelta(days=3),
        metavar="DURATION",
        help="age of the confirmation's request and of its last message, e.g. 12h, 7d (default: "
        "3d)",
    )
    parser.add_argument(
        "--at-most",
        type=positive,
        default=2,
        metavar="N",
        help="number of reminders of a confirmation, over all calls (default: 2)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be sent")
    add_limits(parser)
    group = parser.add_argument_group("accounts to remind")
    group.add_argument("--client", metavar="NAME", help="whose confirmation has this client")
    group.add_argument("--dialect", metavar="NAME", help="whose newest message has this dialect")
    add_filters(group)


def remind(options: dict[str, Any], console: Console, errors: OutputWrapper, stop: Stop) -> str:
    """Queue the reminders; return why some could not be queued, or an empty string."""
    due = reminders.Due(
        after=options["after"],
        at_most=options["at_most"],
        also=filters(options),
        now=database.now(),
    )
    kind = Kind(reminders.run_name(), due, reminders.queue, _DONE)
    return conduct(kind, options, console, errors, stop)

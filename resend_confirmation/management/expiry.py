"""``resend_confirmation expire``: the end of confirmations that were never made."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import OutputWrapper

from .. import addresses, database
from ..engine import expiry
from ..engine.expiry import Problem
from ..outcomes import Expiry
from .bulk import SHOWN
from .console import Console
from .converters import duration, positive
from .stopping import Stop

EXPIRE = """\
Withdraw confirmations that were requested long ago and never made: their links stop working,
and they get no more messages. The setting EXPIRE decides whether their accounts are kept,
deactivated or deleted. Without --apply, only print what would be done.

Accounts that have logged in, staff, accounts with another confirmed address, and accounts with
a link that still works are left alone.

The exit code is 0 if all of them expired; 1 if the callable that EXPIRE names failed for some,
or other rows prevent a deletion; 2 for invalid arguments. A signal stops it after the current
account, with the results so far; the exit code is then 128 plus the number of the signal
(Ctrl-C: 130). Call it again to go on."""

WORDS: dict[Expiry | Problem, str] = {
    Expiry.KEEP: "kept, without its confirmation",
    Expiry.DEACTIVATE: "deactivated",
    Expiry.DELETE: "deleted",
    Problem.REFUSED: "not deleted, since other rows refer to it",
    Problem.FAILED: "failed, see the log",
}


def add_to(add: Callable[[str, str, str], ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = add("expire", "end confirmations that were never made", EXPIRE)
    parser.add_argument(
        "--after",
        type=duration,
        default=timedelta(days=30),
        metavar="DURATION",
        help="age of the confirmation's request, e.g. 12h, 7d (default: 30d)",
    )
    parser.add_argument("--apply", action="store_true", help="do it, instead of printing it")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N accounts")
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=expiry.BATCH,
        metavar="N",
        help=f"confirmations that are read at once (default: {expiry.BATCH}); each account is a "
        "separate transaction",
    )


def expire(options: dict[str, Any], console: Console, errors: OutputWrapper, stop: Stop) -> str:
    """Expire confirmations; return why some could not expire, or an empty string."""
    before, size = database.now() - options["after"], options["batch_size"]
    is_applied = options["apply"]
    work = expiry.expire if is_applied else expiry.preview
    endings: Counter[Expiry | Problem] = Counter()
    shown: list[str] = []
    for each in work(before, size):
        endings[each.ending] += 1
        if not is_applied and len(shown) < SHOWN:
            shown.append(addresses.mask(each.address))
            console.say(f"{shown[-1]}: {_describe(each.ending, is_applied)}")
        if is_applied and options["verbosity"] > 0 and endings.total() % size == 0:
            errors.write(f"{endings.total()} so far", style_func=str)
        if stop.is_set() or _done(endings) == options["limit"]:
            break
    _print(endings, console, is_applied=is_applied)
    if console.as_json:
        results = {ending.value: count for ending, count in endings.items()}
        facts = {"dry_run": not is_applied, "expired": _done(endings), "results": results}
        console.put("", **facts, **({} if is_applied else {"first": shown}))
    undone = endings.total() - _done(endings)
    return f"{undone} of {endings.total()} did not expire." if undone else ""


def _print(endings: Counter[Expiry | Problem], console: Console, *, is_applied: bool) -> None:
    for ending, count in endings.items():
        console.say(f"{_describe(ending, is_applied)}: {count}")
    if not endings:
        console.say("no confirmations to expire")
    elif not is_applied:
        console.say("Nothing was changed. Add --apply to do it.")


def _done(endings: Counter[Expiry | Problem]) -> int:
    return sum(endings[action] for action in Expiry)


def _describe(ending: Expiry | Problem, is_applied: bool) -> str:
    is_planned = isinstance(ending, Expiry) and not is_applied
    return f"would be {WORDS[ending]}" if is_planned else WORDS[ending]

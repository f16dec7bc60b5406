"""Bulk runs of the command: their options, the question, and what they print."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management import CommandError
from django.core.management.base import OutputWrapper

from .. import database
from ..engine import runs
from ..engine.run_choice import Chooses, RunEnding, Totals
from ..models import Run
from ..outcomes import Ending
from . import send
from .bulk import DONE, Bulk, Filters, Progress, identities_in, pending_count
from .console import Console, is_agreed, printable
from .stopping import Stop

#: Exit code if the arguments are invalid.
USAGE = 2
#: Options of the filters that are passed on as they are.
_FILTERS = (
    "last_state",
    "never_sent",
    "not_sent_since",
    "older_than",
    "newer_than",
    "client",
    "dialect",
    "language",
    "domain",
)
#: Options that other calls than bulk runs refuse.
ONLY_BULK = (
    "run",
    "limit",
    "rate",
    "last_state",
    "never_sent",
    "not_sent_since",
    "older_than",
    "newer_than",
    "language",
    "domain",
)


class Kind(NamedTuple):
    """A kind of bulk run: its name, the accounts that it chooses, and how it queues a batch.

    ``done`` are the endings that leave the exit code at 0.
    """

    name: str
    chooses: Chooses
    queue: Callable[..., Totals]
    done: frozenset[Ending | RunEnding] = DONE


def carry_out(options: dict[str, Any], console: Console, errors: OutputWrapper, stop: Stop) -> str:
    """Queue the messages of ``send`` in bulk, and return what ``conduct`` returns."""
    name = options["run"] or f"{database.now():%Y-%m-%d}"
    return conduct(Kind(name, filters(options), runs.queue), options, console, errors, stop)


def filters(options: dict[str, Any]) -> Filters:
    """Return the filters among the options."""
    given = {key: options[key] for key in _FILTERS if key in options}
    return Filters(**given, now=database.now())


def conduct(
    kind: Kind, options: dict[str, Any], console: Console, errors: OutputWrapper, stop: Stop
) -> str:
    """Queue the messages of a bulk run; return why some could not be queued, or an empty string.

    Raise CommandError if the run cannot go on, or nobody agrees to it.
    """
    name = kind.name
    with _identities(options.get("file")) as identities:
        total = _total(options, identities)
        if not options["dry_run"]:
            _ask(options, name, total)
        bulk = Bulk(
            run=_run(options, name),
            chooses=kind.chooses,
            queue=kind.queue,
            most=options["limit"],
            rate=options["rate"],
            size=options["batch_size"],
            dry=options["dry_run"],
            refuse=lambda identity, ending: console.put(
                f"{identity}: {send.WORDS[ending]}", identity=identity, result=ending.value
            ),
        )
        with Progress(total, errors, is_shown=options["verbosity"] > 0) as progress:
            try:
                bulk.send(identities, progress.note, stop.is_set)
            except runs.RunCancelledError:
                progress.close()
                _print(bulk, name, console)
                raise _is_cancelled(options, name) from None
    _print(bulk, name, console)
    return _complaint(bulk, kind.done)


@contextmanager
def _identities(path: str | None) -> Iterator[Iterable[str] | None]:
    """Yield the identities in the file, or None without a file."""
    if path is None:
        yield None
    elif path == "-":
        yield identities_in(sys.stdin)
    else:
        try:
            # Bytes that are no text make an identity invalid, and not the file.
            with Path(path).open(encoding="utf-8-sig", errors="surrogateescape") as file:
                yield identities_in(file)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}", returncode=USAGE) from None


def _total(options: dict[str, Any], identities: Iterable[str] | None) -> int | None:
    """Return the number of entries to read, as far as it is known."""
    return pending_count() if identities is None and not options["limit"] else options["limit"]


def _ask(options: dict[str, Any], name: str, total: int | None) -> None:
    """Ask before a run begins, if there is somebody to ask."""
    if options["yes"] or options.get("file") == "-":
        return
    many = "the accounts" if total is None else f"up to {total} accounts"
    if not is_agreed(f"Queue messages for {many}, as run {name}? [y/N] "):
        raise CommandError("Nothing was queued.")


def _run(options: dict[str, Any], name: str) -> Run | None:
    if options["dry_run"]:
        return Run.objects.filter(name=name).first()
    if len(name) > (Run._meta.get_field("name").max_length or 0) or not name.isprintable():
        raise CommandError("--run takes up to 64 printable characters.", returncode=USAGE)
    try:
        return runs.begin_run(name)
    except runs.RunCancelledError:
        raise _is_cancelled(options, name) from None
    except runs.RunTooOldError:
        raise CommandError(
            f"The run {name} began before the retention of deliveries, so that it is no longer "
            "known to whom it wrote. Give another --run."
        ) from None


def _is_cancelled(options: dict[str, Any], name: str) -> CommandError:
    advice = " Give another --run." if "run" in options else ""
    return CommandError(printable(f"The run {name} was cancelled.{advice}"))


def _print(bulk: Bulk, name: str, console: Console) -> None:
    for account in bulk.shown:
        console.say(f"{account.address}: would be queued")
    for ending, count in bulk.totals.endings.items():
        since = bulk.totals.since if ending is RunEnding.SUPPRESSED else None
        words = send.describe(send.Report(ending, since=since), dry=bulk.dry)
        console.say(f"{words}: {count}")
    if not bulk.totals.endings:
        console.say("no pending accounts")
    if console.as_json:
        console.put("", **_facts(bulk, name))


def _facts(bulk: Bulk, name: str) -> dict[str, Any]:
    facts = {
        "run": name,
        "dry_run": bulk.dry,
        "queued": bulk.totals.queued,
        "results": {ending.value: count for ending, count in bulk.totals.endings.items()},
    }
    return facts | ({"first": [each.address for each in bulk.shown]} if bulk.dry else {})


def _complaint(bulk: Bulk, done: frozenset[Ending | RunEnding]) -> str:
    endings = bulk.totals.endings
    undone = sum(count for ending, count in endings.items() if ending not in done)
    if not undone or bulk.dry:
        return ""
    return f"{undone} of {endings.total()} were not queued."


def cancel(name: str, console: Console) -> None:
    """Cancel the run ``name``. Raise CommandError if there is none."""
    run = Run.objects.filter(name=name).first()
    if run is None:
        raise CommandError(printable(f"No run is named {name}."))
    count = runs.cancel(run)
    console.put(f"cancelled: {count}", run=name, cancelled=count)

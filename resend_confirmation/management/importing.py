"""``resend_confirmation import``: the accounts of an export wait here, or are confirmed."""

import io
import sys
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.core.management.base import OutputWrapper

from .. import clients
from ..dialects.base import Export
from ..dialects.base.exports import FIELDS
from ..engine.importing import Entry, ImportEnding, bring_in
from ..engine.runs import BATCH
from .bulk import Progress
from .console import Console, printable
from .converters import positive
from .export_file import Record, csv_records, header_of, json_records
from .export_rows import InvalidRowError, Reading, presets
from .run import USAGE
from .stopping import Stop

IMPORT = """\
Make accounts that exist on this site wait for their confirmation, or mark them as confirmed, as
another system's export says. It creates no accounts and sends nothing: send the messages with
'send --pending' afterwards.

FILE is CSV with a header, or JSON lines, in UTF-8. An account is named by its address, or by its
user name if the row has no address. Rows whose account is blocked in the file are skipped.
Accounts that wait, have confirmed or are blocked on this site do not wait again: the command can
be repeated.

It prints a line for each row that was refused, with the reason, and the number of each result.
The exit code is 0 if no row was refused, 1 otherwise, and 2 for invalid arguments. A signal stops
it after the current batch, with the results so far; the exit code is then 128 plus the number of
the signal (Ctrl-C: 130)."""

#: The results that are printed, in this order.
WORDS = {
    ImportEnding.STARTED: "made pending",
    ImportEnding.WAITING: "pending already",
    ImportEnding.CONFIRMED_NOW: "marked as confirmed",
    ImportEnding.CONFIRMED: "confirmed already",
    ImportEnding.SKIPPED: "skipped, since blocked in the file",
    ImportEnding.INVALID: "invalid",
    ImportEnding.UNKNOWN: "no matching account",
    ImportEnding.SEVERAL: "several accounts match; name one by its user name",
    ImportEnding.NO_ADDRESS: "the account has no valid address",
    ImportEnding.BLOCKED: "account deactivated or confirmation withdrawn",
    ImportEnding.CONFLICT: "blocked in the file, but pending here",
    ImportEnding.REFUSED: "the account store refused",
}
CHANGED = frozenset({ImportEnding.STARTED, ImportEnding.CONFIRMED_NOW})
#: Endings of which a row has no line of its own.
SILENT = CHANGED | {ImportEnding.WAITING, ImportEnding.CONFIRMED}
#: File names' endings that decide on the format.
_SUFFIXES = {".csv": "csv", ".json": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def add_to(add: Callable[..., Any]) -> None:
    parser = add("import", "make the accounts of an export wait, or confirm them", IMPORT)
    parser.add_argument("path", metavar="FILE", help="the export; - is the standard input")
    parser.add_argument(
        "--format",
        choices=["csv", "jsonl"],
        help="default: by the file's name, else by its first character",
    )
    parser.add_argument(
        "--map",
        type=_renamed,
        action="append",
        default=[],
        metavar="COLUMN=FIELD",
        help=f"name of a column, for one of the fields {', '.join(FIELDS)}; may be repeated. "
        "By default the columns have the names of the fields",
    )
    parser.add_argument(
        "--preset",
        type=_preset,
        default=Export(),
        metavar="DIALECT",
        help="names and values of the columns are those of this dialect's vendor",
    )
    parser.add_argument(
        "--client",
        metavar="NAME",
        help="client of rows that name none (default: the default client)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=BATCH,
        metavar="N",
        help=f"rows per transaction (default: {BATCH})",
    )


def _renamed(text: str) -> tuple[str, str]:
    name, _, field = text.rpartition("=")
    if not name or field not in FIELDS:
        raise ArgumentTypeError(f"{text!r} is not COLUMN=FIELD; the fields are {', '.join(FIELDS)}")
    return name, field


def _preset(name: str) -> Export:
    known = presets()
    if name not in known:
        raise ArgumentTypeError(f"{name!r} is not one of {', '.join(sorted(known))}")
    return known[name]


def carry_out(options: dict[str, Any], console: Console, errors: OutputWrapper, stop: Stop) -> str:
    """Import the file; return why some rows were refused, or an empty string."""
    default = clients.default()
    client = options["client"] or (default.name if default else "")
    reading = Reading(options["preset"], dict(options["map"]), client)
    work = _Import(reading, console, dry=options["dry_run"])
    with (
        _records(options, reading) as records,
        Progress(None, errors, is_shown=options["verbosity"] > 0) as progress,
    ):
        while not stop.is_set() and (batch := list(islice(records, options["batch_size"]))):
            work.take(batch)
            progress.set_postfix_str(f"{work.changed} changed", refresh=False)
            progress.update(len(batch))
    work.print_totals()
    refused = sum(work.endings[each] for each in WORDS if each not in SILENT)
    refused -= work.endings[ImportEnding.SKIPPED]
    return f"{refused} of {work.endings.total()} rows were refused." if refused else ""


@contextmanager
def _records(options: dict[str, Any], reading: Reading) -> Iterator[Iterator[Record]]:
    """Yield the rows of the file. Raise CommandError if it cannot be read or has no identities."""
    path = options["path"]
    try:
        # It is closed below, after the errors of reading and not with them.
        source = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115
    except OSError as error:
        raise CommandError(printable(f"{path}: {error.strerror}"), returncode=USAGE) from None
    # Bytes that are not text make an identity invalid, and not the file.
    file = io.TextIOWrapper(source, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        style = options["format"] or _SUFFIXES.get(Path(path).suffix.lower()) or _style_of(source)
        if style == "jsonl":
            yield json_records(file)
        else:
            names, delimiter = header_of(file)
            _check(names, options, reading)
            yield csv_records(file, names, delimiter)
    finally:
        file.detach()
        if path != "-":
            source.close()


def _style_of(source: Any) -> str:
    start = source.peek(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    return "jsonl" if start.startswith(b"{") else "csv"


def _check(names: list[str], options: dict[str, Any], reading: Reading) -> None:
    missing = [name for name, _ in options["map"] if name not in names]
    if not missing and not set(names).isdisjoint(reading.identities):
        return
    wanted = " or ".join(missing or dict.fromkeys(reading.identities))
    raise CommandError(
        printable(f"Line 1 has no column {wanted}. See --map and --preset."), returncode=USAGE
    )


class _Import:
    """One call of the command, and what it has done so far."""

    def __init__(self, reading: Reading, console: Console, *, dry: bool) -> None:
        self._reading, self._console, self._dry = reading, console, dry
        self.endings: Counter[ImportEnding] = Counter()

    @property
    def changed(self) -> int:
        """The number of accounts that were changed."""
        return sum(self.endings[each] for each in CHANGED)

    def take(self, batch: list[Record]) -> None:
        """Import the rows of a batch, in one transaction."""
        readable = []
        for record in batch:
            if record.problem:
                self._note(record.line, "", ImportEnding.INVALID, record.problem)
            elif self._reading.concerns(record.values):
                readable += self._read(record)
        endings = bring_in([entry for _, _, entry in readable], dry=self._dry)
        for (line, text, _), ending in zip(readable, endings, strict=True):
            self._note(line, text, ending)

    def _read(self, record: Record) -> list[tuple[int, str, Entry]]:
        text = ""
        try:
            named = self._reading.named(record.values)
            text = named.text
            return [(record.line, text, self._reading.entry(named, record.values))]
        except InvalidRowError as error:
            self._note(record.line, text, ImportEnding.INVALID, str(error))
            return []

    def _note(self, line: int, identity: str, ending: ImportEnding, reason: str = "") -> None:
        self.endings[ending] += 1
        if ending in SILENT:
            return
        whose = f"{identity}: " if identity else ""
        reason = reason or WORDS[ending]
        self._console.put(
            f"line {line}: {whose}{reason}",
            line=line,
            identity=identity,
            result=ending.value,
            reason=reason,
        )

    def print_totals(self) -> None:
        """Print the number of each result."""
        for ending, words in WORDS.items():
            if count := self.endings[ending]:
                would = "would be " if self._dry and ending in CHANGED else ""
                self._console.say(f"{would}{words}: {count}")
        if not self.changed:
            self._console.say("nothing to change")
        if self._console.as_json:
            counts = {each.value: self.endings[each] for each in WORDS if self.endings[each]}
            self._console.put(
                "",
                dry_run=self._dry,
                rows=self.endings.total(),
                changed=self.changed,
                results=counts,
            )

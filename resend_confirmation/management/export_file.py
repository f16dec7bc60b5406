"""Reading of an export of accounts, CSV or JSON lines, of which any line may be damaged."""

import csv
import json
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TextIO

#: Characters of a line; a longer one is refused without being read into memory.
MAX_LINE = 1_000_000
#: Characters that separate the cells of a CSV file. The one that the header has most often counts.
DELIMITERS = ",;\t"


class Record(NamedTuple):
    """One account of the file, or the reason why it cannot be read."""

    line: int
    values: dict[str, Any]
    problem: str = ""


class DamagedLineError(Exception):
    """A line is too long."""


class _Lines:
    """The lines of a file, with those that the current record has taken."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._number = file, 0
        self._again: deque[tuple[int, str | None]] = deque()
        #: The numbers and texts of the lines taken; None is a line that is too long.
        self.taken: list[tuple[int, str | None]] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.taken.append(self._again.popleft() if self._again else self._read())
        text = self.taken[-1][1]
        if text is None:
            raise DamagedLineError
        return text

    def give_back(self) -> None:
        """Read the lines taken again, except the first one."""
        self._again.extendleft(reversed(self.taken[1:]))

    def _read(self) -> tuple[int, str | None]:
        text = self._file.readline(MAX_LINE)
        if not text:
            raise StopIteration
        self._number += 1
        if _is_whole(text):
            return self._number, text
        while not _is_whole(self._file.readline(MAX_LINE)):
            pass
        return self._number, None


def _is_whole(text: str) -> bool:
    return len(text) < MAX_LINE or text[-1] in "\r\n"


def header_of(file: TextIO) -> tuple[list[str], str]:
    """Return the names of the columns of a CSV file, and its delimiter."""
    text = file.readline(MAX_LINE)
    delimiter = max(DELIMITERS, key=text.count)
    names = next(csv.reader([text], delimiter=delimiter), [])
    return [name.strip() for name in names], delimiter


def csv_records(file: TextIO, names: Sequence[str], delimiter: str) -> Iterator[Record]:
    """Yield the accounts below the header of a CSV file.

    If a quotation mark without a second one swallows the lines below it, only its line is lost.
    """
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.taken.clear()
        cells: list[str] = []
        try:
            cells = next(reader)
            # An empty line has no cells.
            problem = f"{len(cells)} cells instead of {len(names)}" if cells else ""
        except StopIteration:
            return
        except DamagedLineError:
            problem = "the line is too long"
        except csv.Error as error:
            problem = str(error)
        # The header is the first line.
        line = lines.taken[0][0] + 1
        if len(cells) == len(names):
            yield Record(line, dict(zip(names, cells, strict=True)))
        elif problem:
            lines.give_back()
            yield Record(line, {}, problem)


def json_records(file: TextIO) -> Iterator[Record]:
    """Yield the accounts of a file with a JSON object on each line."""
    lines = _Lines(file)
    while True:
        lines.taken.clear()
        try:
            text = next(lines)
            found = json.loads(text) if text.strip() else None
            problem = "not a JSON object"
        except StopIteration:
            return
        except DamagedLineError:
            text, found, problem = "too long", None, "the line is too long"
        except (ValueError, RecursionError):
            found, problem = None, "not valid JSON"
        line = lines.taken[0][0]
        if isinstance(found, dict):
            yield Record(line, found)
        elif text.strip():
            yield Record(line, {}, problem)

"""The output of the command: lines for people, or JSON objects for programs."""

import json
import sys
from typing import Any, NamedTuple

from django.core.management.base import OutputWrapper


class Console(NamedTuple):
    """Where the command prints; with ``as_json``, each line is a JSON object."""

    out: OutputWrapper
    as_json: bool

    def put(self, line: str, /, **facts: Any) -> None:
        """Print ``line``, or ``facts`` as JSON, at once: a pipe is buffered otherwise."""
        self.out.write(json.dumps(facts) if self.as_json else printable(line))
        self.out.flush()

    def say(self, line: str) -> None:
        """Print ``line``, for people only."""
        if not self.as_json:
            self.put(line)


def is_agreed(question: str) -> bool:
    """Return whether the answer to ``question`` is yes, or there is nobody to ask."""
    if not sys.stdin.isatty():
        return True
    try:
        return input(printable(question)).strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def printable(text: str) -> str:
    r"""Return ``text`` with non-printable characters escaped, such as ``\\x1b``.

    Control characters would act on the terminal, and line breaks would forge lines.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

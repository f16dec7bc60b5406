"""Processes of benchmarks, and the processor time and memory that Linux counts for them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.subprocesses import ROOT

TICK = os.sysconf("SC_CLK_TCK")


@contextmanager
def process(*arguments: str, environment: Mapping[str, str]) -> Iterator[int]:
    """Start a module and yield the port that it prints."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as started:
        assert started.stdout
        try:
            yield int(started.stdout.readline())
        finally:
            started.kill()


class Journal:
    """A file to which a mail server adds a plus for each message, and a minus when it is taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def taken(self) -> int:
        """Return the number of messages that were taken."""
        return self.path.read_bytes().count(b"-")

    def most_at_once(self) -> int:
        """Return the highest number of messages that were on their way at the same time."""
        now = most = 0
        for each in self.path.read_text():
            now += 1 if each == "+" else -1
            most = max(most, now)
        return most


def is_idle(port: int) -> bool:
    """Return whether no connection to a server waits for an answer, given up by its client or not.

    Its state is 1 (established) or 8 (closed by the other side).
    """
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return not any(
        local.endswith(f":{port:04X}") and state in {"01", "08"}
        for _, local, _, state, *_ in map(str.split, lines)
    )


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def sessions(database: str) -> list[int]:
    """Return PostgreSQL's processes for a database, if the server runs on this machine."""
    titles = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            titles[int(path.parent.name)] = path.read_text(errors="replace")
        except OSError:
            continue
    return [
        pid
        for pid, title in titles.items()
        if title.startswith("postgres:") and f" {database} " in title
    ]


def cpu(pids: list[int]) -> float:
    """Return the milliseconds that processes, and their children that ended, have computed."""
    return sum(sum(_ticks(pid)) for pid in pids) * 1000 / TICK


def computed(pid: int | None) -> float:
    """Return the milliseconds that a process has computed, to the microsecond; by default this one.

    Of another process only the first thread counts.
    """
    if pid is None:
        return time.thread_time() * 1000
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def _ticks(pid: int) -> list[int]:
    try:
        # The numbers are after the name, which may contain blanks and parentheses.
        numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [int(each) for each in numbers[11:15]]

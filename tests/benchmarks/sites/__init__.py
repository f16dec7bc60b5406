"""Sites with an endpoint that sends a confirmation again: floors, other packages, this package."""

import re
from pathlib import Path


def memory(name: str) -> float:
    """Return this process's memory in MiB: VmRSS is what it has, VmHWM the most that it had."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def address(number: int, *, known: bool = True) -> str:
    """Return the address of an account, or an unknown one of the same length."""
    return f"{number:06d}@example.{'com' if known else 'net'}"


def session_key(number: int) -> str:
    """Return the key of an account's session."""
    return f"waiting{number:025d}"

"""Types of the command's arguments."""

import re
from argparse import ArgumentTypeError
from datetime import timedelta

from .. import conf
from ..addresses import Address

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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


def rate(text: str) -> float:
    """Return the number a second that ``text``, such as ``50/s`` or ``3000/h``, names."""
    match = re.fullmatch(r"([1-9][0-9]{0,6})/([smhd])", text)
    if not match:
        raise ArgumentTypeError(f"{text!r} is not a rate (e.g. 50/s, 3000/h)")
    return int(match[1]) / timedelta(**{_UNITS[match[2]]: 1}).total_seconds()


def domain(text: str) -> str:
    """Return the canonical form of a domain."""
    address = Address.parse(f"x@{text}")
    if address is None:
        raise ArgumentTypeError(f"{text!r} is not a domain")
    return address.canonical.rpartition("@")[2]

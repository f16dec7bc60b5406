"""Former settings, and what to write instead."""

from collections.abc import Callable
from typing import Any


def _carrier(name: str, option: str) -> Callable[[Any], str]:
    return lambda value: (
        f'Use "CARRIER": {{"BACKEND": "{name}", "OPTIONS": {{"{option}": {value!r}}}}}.'
    )


def _cooldown(period: str) -> Callable[[Any], str]:
    example = 'for example ["1/60s", "5/h", "12/d"].'
    return lambda value: (
        f"Add '{value}/{period}' to \"COOLDOWN\", {example}"
        if value
        else f"Leave '<n>/{period}' out of \"COOLDOWN\", {example}"
    )


def _signing(option: str) -> Callable[[Any], str]:
    return lambda value: (
        f"Put \"{option}\" into 'signing' of each client that signs: "
        f'{{"key": …, "{option}": {value!r}}}.'
    )


def _renamed(to: str) -> Callable[[Any], str]:
    return lambda value: f'Rename it to "{to}".'


#: The hint for each key, made of the value that the host gave it.
MOVED: dict[str, Callable[[Any], str]] = {
    "ASKS_PER_NETWORK": _renamed("QUIET_REQUESTS_PER_NETWORK"),
    "AUTHORIZATION_CODE": _renamed("AUTHORIZATION_CODE_ISSUER"),
    "CELERY_QUEUE": _carrier("celery", "queue"),
    "COOLDOWN_PER_DAY": _cooldown("d"),
    "COOLDOWN_PER_HOUR": _cooldown("h"),
    "JWT_ISSUER": _signing("issuer"),
    "JWT_LIFETIME": _signing("lifetime"),
    "MAX_BODY": lambda value: "Remove it: bodies are limited to 16384 bytes.",
    "RETENTION_IGNORED": lambda value: f'Use "RETENTION": {{"ignored": {value!r}}}.',
    "TASKS_BACKEND": _carrier("tasks", "backend"),
    "TASKS_QUEUE": _carrier("tasks", "queue"),
}

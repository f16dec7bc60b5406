"""Values and errors exactly as yup, the validator of Strapi 4 and 5, writes them."""

import json
from collections.abc import Mapping
from typing import Any

from ..base import ErrorDetails, Fault

#: From this number on, JavaScript writes whole numbers with an exponent.
EXPONENT_FROM = 1e21

#: Length up to which an error repeats a value. The limit is ours: yup repeats the whole value,
#: three times.
MOST = 1000


def printed(value: Any) -> str:
    """Return a value as yup 0.32's ``printValue`` shows it, cut after ``MOST`` characters.

    Lists and objects are indented. Inside them, numbers, booleans and null become strings, and
    strings get a second pair of quotation marks.
    """
    text = _whole(value)
    return text if len(text) <= MOST else f"{text[:MOST]}…"


def _whole(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(_leaves(value), ensure_ascii=False, indent=2)
    return _simple(value)


def _leaves(value: Any) -> Any:
    if isinstance(value, list):
        return [_leaves(item) for item in value]
    if isinstance(value, dict):
        return {key: _leaves(item) for key, item in value.items()}
    return _simple(value)


def _simple(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float) and value.is_integer() and abs(value) < EXPONENT_FROM:
        return f"{value:.0f}"
    return json.dumps(value)


def entry(message: str, detail: ErrorDetails) -> Mapping[str, Any]:
    """Return one entry of yup's list of errors, without ``value`` if that is missing or long."""
    made: dict[str, Any] = {
        "path": [detail.name],
        "message": message,
        "name": "ValidationError",
    }
    is_said = detail.fault is not Fault.MISSING and len(_whole(detail.value)) <= MOST
    return {**made, "value": detail.value} if is_said else made

"""What yup, the validator of Strapi 4 and 5, says of a value, to the letter."""

import json
from collections.abc import Mapping
from typing import Any

from ..base import Detail, Kind

#: JavaScript writes whole numbers out up to here.
EXPONENT_FROM = 1e21


def printed(value: Any) -> str:
    """A value as yup 0.32's ``printValue`` shows it: indented, and what is no list or object
    inside it as a string, a string between quotation marks of its own."""
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


def entry(message: str, detail: Detail) -> Mapping[str, Any]:
    """One entry of yup's list of errors, as Strapi hands it on."""
    made: dict[str, Any] = {
        "path": [detail.name],
        "message": message,
        "name": "ValidationError",
    }
    return made if detail.kind is Kind.MISSING else {**made, "value": detail.value}

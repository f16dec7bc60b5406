"""The faults of validated inputs, each with the path of its field: ``security.captcha_token``."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.settings import api_settings

Fault = tuple[str, list[ErrorDetail], Any]


class Object(dict[str, Any]):
    """A JSON object that remembers which of its keys came more than once."""

    repeated: frozenset[str] = frozenset()


def found(errors: Any, value: Any, path: str = "") -> Iterator[Fault]:
    """Yield each path, its errors and what was sent there, out of what DRF nests as it likes."""
    below: Iterable[tuple[Any, Any]]
    if isinstance(errors, Mapping):
        below = errors.items()
    elif any(not isinstance(error, str) for error in errors):
        below = enumerate(errors)
    else:
        if errors:
            yield path, list(errors), value
        return
    for key, inner in below:
        if key == api_settings.NON_FIELD_ERRORS_KEY and path:
            yield from found(inner, value, path)
        else:
            yield from found(inner, _at(value, key), _join(path, key))


def repeated(field: Any, value: Any, names: frozenset[str], path: str = "") -> Iterator[Any]:
    """Yield the path and the value of each declared key that came more than once."""
    if isinstance(field, serializers.ListSerializer):
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from repeated(field.child, item, _names(item), _join(path, index))
    elif isinstance(field, serializers.Serializer):
        for name, inner in sorted(field.fields.items()):
            if name in names:
                yield _join(path, name), _at(value, name)
            below = _at(value, name)
            yield from repeated(inner, below, _names(below), _join(path, name))


def _names(value: Any) -> frozenset[str]:
    return value.repeated if isinstance(value, Object) else frozenset()


def _at(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    return value[key] if isinstance(value, list) and key in range(len(value)) else None


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)

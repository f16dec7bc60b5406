"""Fitting external values, such as a provider's id, to their columns."""

from typing import Any

from django.db.models import CharField, Model


def fit(model: type[Model], values: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` for columns of ``model``, with each text cut to the length of its column.

    Characters that databases cannot store (NUL, lone surrogates) are replaced.
    """
    return {name: _fitting(model, name, value) for name, value in values.items()}


def _fitting(model: type[Model], name: str, value: Any) -> Any:
    field = model._meta.get_field(name)
    if not isinstance(value, str) or not isinstance(field, CharField):
        return value
    storable = value.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
    return storable[: field.max_length]

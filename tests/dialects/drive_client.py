"""A script that calls operations through a generated client.

Run ``python drive_client.py <base URL>`` in the folder of the package ``site_client``, with a JSON
list of calls on standard input. A call has the operation's module, its arguments, and its body as a
model's name and fields. The script writes a list of results: status, headers and parsed body.
"""

import json
import sys
from importlib import import_module
from typing import Any

import attrs


def left_over(model: Any) -> list[str]:
    """Return the keys of an answer, at any depth, that are not declared fields."""
    if not attrs.has(type(model)):
        return []
    declared = [field.name for field in attrs.fields(type(model)) if field.init]
    # A model without fields may contain anything.
    over = list(model.additional_properties) if declared else []
    return over + [key for name in declared for key in left_over(getattr(model, name))]


def call(client: Any, module: str, arguments: dict[str, Any], body: list[Any]) -> dict[str, Any]:
    """Call an operation by its generated function, and return the result."""
    if body:
        model, fields = body
        arguments["body"] = getattr(import_module("site_client.models"), model)(**fields)
    operation = import_module(f"site_client.api.{module}")
    response = operation.sync_detailed(client=client, **arguments)
    parsed = response.parsed
    return {
        "status": response.status_code,
        "headers": {name.lower(): value for name, value in response.headers.items()},
        "length": len(response.content),
        "model": parsed and type(parsed).__name__,
        "parsed": parsed and parsed.to_dict(),
        "left_over": left_over(parsed),
    }


if __name__ == "__main__":
    sys.path.insert(0, "")
    made = import_module("site_client").Client(sys.argv[1], raise_on_unexpected_status=True)
    with made as client:
        json.dump([call(client, **given) for given in json.load(sys.stdin)], sys.stdout)

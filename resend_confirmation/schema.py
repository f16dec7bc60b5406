"""Postprocessing hook for drf-spectacular, for documents that resemble the vendors'."""

from typing import Any

Document = dict[str, Any]


def inline_components(result: Document, **_: Any) -> Document:
    """Replace references by their schemas in operations of vendors without components.

    Add ``"resend_confirmation.schema.inline_components"`` to
    ``SPECTACULAR_SETTINGS["POSTPROCESSING_HOOKS"]``. Replaced components without further
    references are removed.
    """
    components = result.get("components", {}).get("schemas", {})
    inlined: set[str] = set()
    for operation in _operations(result):
        if operation.pop("x-inline", False):
            _inline(operation, components, inlined)
    used = _references({**result, "components": {}})
    while more := {n for name in used for n in _references(components.get(name, {}))} - used:
        used |= more
    for name in inlined - used:
        del components[name]
    return result


def _operations(result: Document) -> list[Document]:
    paths = result.get("paths", {}).values()
    return [
        operation for path in paths for operation in path.values() if isinstance(operation, dict)
    ]


def _inline(node: Any, components: Document, inlined: set[str]) -> Any:
    """Replace every reference in ``node`` by its schema, in place, and return the result."""
    if isinstance(node, list):
        node[:] = [_inline(item, components, inlined) for item in node]
    elif isinstance(node, dict):
        if reference := node.get("$ref"):
            name = reference.rpartition("/")[2]
            inlined.add(name)
            # The description comes from our docstring, not from the vendor.
            schema = {k: v for k, v in components[name].items() if k != "description"}
            return _inline(schema, components, inlined)
        for key, value in node.items():
            node[key] = _inline(value, components, inlined)
    return node


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for item in node for name in _references(item)}
    if not isinstance(node, dict):
        return set()
    found = {name for value in node.values() for name in _references(value)}
    if isinstance(reference := node.get("$ref"), str):
        found.add(reference.rpartition("/")[2])
    return found

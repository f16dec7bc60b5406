"""A hook for drf-spectacular: examples with the data of the demonstration, a group per dialect."""

import re
from typing import Any

from .calls import CALLS, Place

#: A vendor's own name for a group does not say which vendor's it is.
GROUPS = {"Account Management": "quiva"}
#: Answers with data of an account, by operation.
CONFIRMED = {
    "confirmAccountEmail": {
        "data": {
            "account": "pending000001",
            "email": "pending000001@example.com",
            "account_id": "12",
            "user_id": "12",
        }
    }
}
JSON = "application/json"
_BRACES = re.compile(r"{\w+}")

Operation = dict[str, Any]


def use_demo_data(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Make the calls of the front page the examples of their operations."""
    for path, item in result["paths"].items():
        for operation in item.values():
            operation["tags"] = [GROUPS.get(tag, tag) for tag in operation["tags"]]
            if answer := CONFIRMED.get(operation["operationId"]):
                _success(operation)["examples"] = {"Confirmed": {"value": answer}}
            for call in CALLS:
                if _BRACES.sub("{}", path) != _BRACES.sub("{}", f"/{call.path}"):
                    continue
                _set_parameters(operation, call.values(Place.PATH) | call.values(Place.QUERY))
                if body := call.values(Place.BODY):
                    _set_body(operation, body)
    return result


def _set_parameters(operation: Operation, values: dict[str, str]) -> None:
    for parameter in operation.get("parameters", []):
        if value := values.get(parameter["name"]):
            is_number = parameter["schema"]["type"] == "integer"
            parameter["example"] = int(value) if is_number else value
            parameter.pop("examples", None)


def _set_body(operation: Operation, body: dict[str, str]) -> None:
    """Set the example of the request, also in the answer if that repeats the address."""
    operation["requestBody"]["content"][JSON]["examples"] = {"Request": {"value": body}}
    for example in _success(operation).get("examples", {}).values():
        answer = example["value"]
        answer |= {name: value for name, value in body.items() if name in answer}


def _success(operation: Operation) -> dict[str, Any]:
    """Return the content of the answer with status 200; an empty dictionary if it has none."""
    content: dict[str, Any] = operation["responses"].get("200", {}).get("content", {})
    return content.get(JSON, {})  # type: ignore[no-any-return]

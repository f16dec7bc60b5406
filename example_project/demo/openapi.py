"""A hook for drf-spectacular: examples with the data of the demonstration, a group per dialect."""

from typing import Any

from .calls import CALLS, Call, Place

#: A vendor's own name for a group does not say which vendor's it is.
GROUPS = {"Account Management": "quiva"}
#: The answer to the operation with this id, if it has data of an account.
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

Operation = dict[str, Any]


def use_demo_data(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Make the requests of the front page the examples of their operations."""
    for item in result["paths"].values():
        for operation in item.values():
            operation["tags"] = [GROUPS.get(tag, tag) for tag in operation["tags"]]
            if answer := CONFIRMED.get(operation["operationId"]):
                _success(operation)["examples"] = {"Confirmed": {"value": answer}}
    for call in CALLS:
        _fill_in(result["paths"][f"/{call.path}"]["post"], call)
    return result


def _fill_in(operation: Operation, call: Call) -> None:
    """Set the examples of the request, also in the answer if that repeats the address."""
    values = {field.name: field.value for field in call.fields if field.value}
    for parameter in operation.get("parameters", []):
        if value := values.get(parameter["name"]):
            is_number = parameter["schema"]["type"] == "integer"
            parameter["example"] = int(value) if is_number else value
            parameter.pop("examples", None)
    body = {field.name: field.value for field in call.fields if field.place is Place.BODY}
    if body:
        operation["requestBody"]["content"][JSON]["examples"] = {"Request": {"value": body}}
    for example in _success(operation).get("examples", {}).values():
        answer = example["value"]
        answer |= {name: value for name, value in body.items() if name in answer}


def _success(operation: Operation) -> dict[str, Any]:
    """Return the content of the answer with status 200; an empty dictionary if it has none."""
    content: dict[str, Any] = operation["responses"].get("200", {}).get("content", {})
    return content.get(JSON, {})  # type: ignore[no-any-return]

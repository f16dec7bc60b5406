"""Tests that the OpenAPI document describes every response, with its type and schema."""

import json
from typing import Any

import jsonschema
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from ...outcomes import ENDINGS, Refusal
from .case import ADDRESS, Case, Reply
from .contract import Contract, where
from .site import Site


def document() -> dict[str, Any]:
    """Generate the site's OpenAPI document and validate it."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    validate_schema(made)  # type: ignore[no-untyped-call]
    return made


def operation_of(case: Case, made: dict[str, Any]) -> dict[str, Any]:
    """Return the dialect's operation. Raise AssertionError unless there is exactly one."""
    name = case.view.operation.id
    operations = [
        (method, operation)
        for item in made["paths"].values()
        for method, operation in item.items()
        if operation["operationId"] == name
    ]
    assert [method for method, _ in operations] == [case.view.method], name
    operation: dict[str, Any] = operations[0][1]
    return operation


def as_json_schema(node: Any) -> Any:
    """Convert a schema of OpenAPI 3.0 to JSON Schema: ``nullable`` becomes the type null."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: as_json_schema(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def faults_of(reply: Reply, operation: dict[str, Any], made: dict[str, Any]) -> list[str]:
    """Return the ways in which a reply differs from the operation's description."""
    responses = operation["responses"]
    response = responses.get(str(reply.status), responses.get("default"))
    if response is None:
        return [f"{reply.status} is not listed"]
    content = response.get("content", {})
    if not reply.body:
        return [f"{reply.status} has a body"] if content else []
    media_type = reply.headers["Content-Type"]
    if media_type not in content:
        return [f"{reply.status} is not listed as {media_type}"]
    schema = {
        **as_json_schema(content[media_type]["schema"]),
        "components": as_json_schema(made.get("components", {})),
    }
    validator = jsonschema.Draft7Validator(schema)
    return [error.message for error in validator.iter_errors(json.loads(reply.body))]


class Document(Contract):
    """Tests that the OpenAPI document matches the dialect's requests and responses."""

    def test_document(self, case: Case, site: Site) -> None:
        """With OPENAPI_ANSWERS "all", it lists each ending: status, type, body and Retry-After."""
        site.configure(OPENAPI_ANSWERS="all")
        made = document()
        operation = operation_of(case, made)
        faults = {}
        for ending in ENDINGS:
            reply = case.endings[ending]
            # WRONG_METHOD is not listed, since the document describes the dialect's method only.
            # TOO_LARGE is not listed if the dialect does not read bodies.
            is_listed = ending is not Refusal.WRONG_METHOD and (
                case.field or ending is not Refusal.TOO_LARGE
            )
            found = faults_of(reply, operation, made) if is_listed else []
            headers = operation["responses"].get(str(reply.status), {}).get("headers", {})
            if is_listed and "Retry-After" in reply.headers and "Retry-After" not in headers:
                found.append("Retry-After is not listed")
            if found:
                faults[ending] = found
        assert faults == {}

    def test_document_needs_no_credentials(self, case: Case, site: Site) -> None:
        """The operation requires no credentials, since vendors' clients do not send any."""
        assert operation_of(case, document())["security"] == []

    @where(lambda case: case.field)
    def test_document_of_the_body(self, case: Case, site: Site) -> None:
        """The body of a good request has a documented type and matches its schema."""
        made = document()
        content = operation_of(case, made)["requestBody"]["content"]
        request = case.request_for(ADDRESS)
        assert request.content_type in content
        schema = as_json_schema(content[request.content_type]["schema"])
        components = as_json_schema(made.get("components", {}))
        jsonschema.validate(json.loads(request.body), {**schema, "components": components})

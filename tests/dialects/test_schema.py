"""The OpenAPI document as a whole, and answers that the vendors' documents do not have."""

from typing import Any

import jsonschema
import pytest
import yaml
from django.test import Client
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from openapi_spec_validator import validate
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.schemas.generators import EndpointEnumerator
from rest_framework.views import APIView

from resend_confirmation.dialects.base import Operation
from resend_confirmation.dialects.quiva.resend import QuivaResend
from resend_confirmation.testing.dialects.document import as_json_schema

pytestmark = pytest.mark.django


def operation(document, path):
    return document["paths"][path]["post"]


def described(document, reference):
    """Return a component without its description, which is not the vendor's."""
    schema = dict(document["components"]["schemas"][reference["$ref"].rpartition("/")[2]])
    schema.pop("description", None)
    return schema


def test_every_operation_is_there_once(document):
    """Each operation is documented once, without other spellings of its path."""
    assert {path: sorted(item) for path, item in document["paths"].items()} == {
        "/accounts/confirm-email": ["post"],
        "/accounts/resend-confirmation": ["post"],
        "/api/auth/email-confirmation": ["get"],
        "/api/auth/send-email-confirmation": ["post"],
        "/api/oauth2/user/resend_confirmation_link": ["post"],
        "/api/user/resend_confirmation_link": ["post"],
        "/api/users/resendconfirmation/{identity}": ["post"],
        "/auth/email-confirmation": ["get"],
        "/auth/send-email-confirmation": ["post"],
    }


def test_nothing_of_quiva_is_left_in_the_components(document):
    """An inline schema is not listed as a component as well."""
    assert not [name for name in document["components"]["schemas"] if name.startswith("Quiva")]


def test_strapi_v4(document):
    """The later generation has its own operation and envelope."""
    found = operation(document, "/api/auth/send-email-confirmation")
    assert sorted(found["responses"]) == ["200", "400", "403", "429", "default"]
    reference = found["responses"]["400"]["content"]["application/json"]["schema"]
    envelope = described(document, reference)
    assert envelope["required"] == ["data", "error"]
    error = described(document, envelope["properties"]["error"])
    assert sorted(error["required"]) == ["message", "name", "status"]


def test_no_operation_needs_credentials(document):
    """No operation requires credentials, even if the host's API does."""
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert [operation["security"] for operation in operations] == [[]] * 9


class HostView(APIView):
    """A view of the host's API."""

    @extend_schema(responses={204: None})
    def get(self, request):
        """Return nothing."""
        return Response(status=204)


def test_left_out(configure, settings):
    """With OPENAPI_ANSWERS = "none" the document only has the host's operations."""
    patterns: list = [
        path("mine", HostView.as_view()),
        path("", include("resend_confirmation.urls")),
    ]
    configure(OPENAPI_ANSWERS="none")
    found = SchemaGenerator(patterns=patterns).get_schema(public=True)
    assert list(found["paths"]) == ["/mine"]
    # This is what DRF's own schema generators list.
    assert [place for place, *_ in EndpointEnumerator(patterns).get_api_endpoints()] == ["/mine"]
    configure(OPENAPI_ANSWERS="vendor")
    found = SchemaGenerator(patterns=patterns).get_schema(public=True)
    assert len(found["paths"]) == 10


@extend_schema(exclude=True)
class Undocumented(QuivaResend):
    """A dialect that the host excludes from its document."""


def test_one_left_out():
    """The host can exclude a single operation."""
    patterns: list = [path("ours", QuivaResend.as_view()), path("mine", Undocumented.as_view())]
    found = SchemaGenerator(patterns=patterns).get_schema(public=True)
    assert list(found["paths"]) == ["/ours"]


class Headers(serializers.Serializer[Any]):
    """One header, without a description."""

    X_Target = serializers.CharField(source="client")


class Undescribed(QuivaResend):
    """A dialect with a minimal operation."""

    header_class = Headers
    operation = Operation()


def test_nothing_described():
    """An operation and a header without descriptions have none in the document."""
    patterns: list = [path("ours", Undescribed.as_view())]
    found = SchemaGenerator(patterns=patterns).get_schema(public=True)
    made = operation(found, "/ours")
    assert made["parameters"] == [
        {"in": "header", "name": "X-Target", "schema": {"type": "string"}, "required": True}
    ]
    assert (made["operationId"], made["tags"]) == ("", ["quiva"])
    assert made.keys().isdisjoint({"summary", "description"})


def test_a_wrong_setting(configure):
    """A wrong value of the setting, which a check reports, does not prevent imports."""
    configure(OPENAPI_ANSWERS="everything")
    assert QuivaResend.schema is not None


#: The statuses that each vendor's document lacks, and the headers of the 429.
BEYOND = {
    "/accounts/resend-confirmation": (["400", "413", "429", "500"], ["Retry-After"]),
    "/api/auth/send-email-confirmation": (
        ["413", "500"],
        ["Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
    ),
    "/api/oauth2/user/resend_confirmation_link": (["413", "500"], ["Retry-After"]),
    "/api/user/resend_confirmation_link": (["413", "500"], ["Retry-After"]),
    "/api/users/resendconfirmation/{identity}": (["500"], ["Retry-After"]),
    "/auth/send-email-confirmation": (["400", "413", "429", "500"], ["Retry-After"]),
}


@pytest.mark.parametrize("path", BEYOND)
def test_all_answers(path, document, configure):
    """With OPENAPI_ANSWERS = "all" all statuses are listed; the vendor's stay unchanged."""
    configure(OPENAPI_ANSWERS="all")
    response = Client().get("/schema/")
    whole = yaml.safe_load(response.content)
    validate(whole)
    vendors = operation(document, path)["responses"]
    all_ = operation(whole, path)["responses"]
    statuses, headers = BEYOND[path]
    assert sorted(all_.keys() - vendors.keys()) == statuses
    assert {status: all_[status]["description"] for status in vendors} == {
        status: response["description"] for status, response in vendors.items()
    }
    assert {
        name: (header["schema"], header.get("required"))
        for name, header in all_["429"]["headers"].items()
    } == {name: ({"type": "integer"}, True) for name in headers}
    assert not any("headers" in response for response in vendors.values())


#: The code of each example, by status and by the endings that have it.
CODES = {
    "400": {
        "INVALID": "0",
        "MALFORMED": "0",
        "UNKNOWN_CLIENT": "010-019",
        "INVALID state": "010-022",
    },
    "404": {"UNKNOWN": "003-002"},
    "409": {"not used: sent with status 422": "003-409"},
    "413": {"TOO_LARGE": "0"},
    "422": {
        "CONFIRMED": "003-409",
        "BLOCKED": "002-040",
        "NOT_ENABLED": "003-020",
        "REDIRECT_REQUIRED": "010-011",
        "REDIRECT_NOT_ALLOWED": "010-012",
    },
    "429": {"COOLING_DOWN, THROTTLED": "002-057"},
    "500": {"FAILED": "004-001"},
}


def test_each_error_has_its_example(configure):
    """With OPENAPI_ANSWERS = "all" an error's examples are those of the endings that cause it."""
    configure(OPENAPI_ANSWERS="all")
    whole = yaml.safe_load(Client().get("/schema/").content)
    found = operation(whole, "/api/oauth2/user/resend_confirmation_link")["responses"]
    examples = {
        status: list(response["content"]["application/json"]["examples"].values())
        for status, response in found.items()
        if status != "204"
    }
    assert {
        status: {each["summary"]: each["value"]["error"]["code"] for each in group}
        for status, group in examples.items()
    } == CODES
    assert [each["value"]["error"].get("details") for each in examples["400"]] == [
        {"client_id": ["A valid integer is required."]},
        {"body": ["Not an object"]},
        None,
        {"state": ["Ensure this field has at least 9 characters."]},
    ]


def test_examples_match_the_schema(configure):
    """With OPENAPI_ANSWERS = "all" every body has an example, which its schema allows."""
    configure(OPENAPI_ANSWERS="all")
    whole = yaml.safe_load(Client().get("/schema/").content)
    components = as_json_schema(whole["components"])
    bodies = {
        f"{name} {status}": response["content"]["application/json"]
        for name, item in whole["paths"].items()
        for each in item.values()
        for status, response in each["responses"].items()
        if "content" in response
    }
    assert len(bodies) > 40
    # Its data is that of an account, which only a site can know.
    assert [place for place, body in bodies.items() if "examples" not in body] == [
        "/accounts/confirm-email 200"
    ]
    for body in bodies.values():
        schema = {**as_json_schema(body["schema"]), "components": components}
        for example in body.get("examples", {}).values():
            jsonschema.validate(example["value"], schema)

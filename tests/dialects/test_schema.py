"""The OpenAPI document as a whole, and answers that the vendors' documents do not have."""

from typing import Any

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

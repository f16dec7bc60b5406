"""The OpenAPI document says of each operation what the vendor's own document says."""

import pytest
import yaml
from django.test import Client
from drf_spectacular.validation import validate_schema

#: The vendor's operation, key for key, from its OpenAPI document.
QUIVA = """
tags:
  - Account Management
summary: Resend email confirmation
description: >-
  Resends email confirmation link to user. Always returns success for
  security reasons.
operationId: resendAccountConfirmation
requestBody:
  required: true
  content:
    application/json:
      schema:
        type: object
        required:
          - email
        properties:
          email:
            type: string
            format: email
            description: Email address to resend confirmation to
            example: user@example.com
responses:
  '200':
    description: Confirmation email sent (always returns success)
    content:
      application/json:
        schema:
          type: object
          required:
            - data
          properties:
            data:
              type: object
              properties:
                message:
                  type: string
                  example: >-
                    Please check your inbox. If a root account is
                    associated with this email and remains unconfirmed, a
                    reconfirmation message should have been sent.
security: []
"""

XSOLLA_ERROR = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "description": "Error code.", "example": "003-061"},
        "description": {
            "type": "string",
            "description": "Error description.",
            "example": "Object not found.",
        },
        "details": {
            "type": "object",
            "additionalProperties": {},
            "description": "Additional information.",
        },
    },
    "required": ["code", "description"],
}

STRAPI_ERROR = {
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "statusCode": {"type": "integer"},
        "error": {"type": "string"},
    },
    "required": ["code", "error", "message", "statusCode"],
}


@pytest.fixture(scope="module")
def document():
    """The document as a site serves it."""
    response = Client().get("/schema/")
    assert response.status_code == 200
    loaded = yaml.safe_load(response.content)
    validate_schema(loaded)
    return loaded


def operation(document, path):
    return document["paths"][path]["post"]


def described(document, reference):
    """A component without its description, which is ours and not the vendor's."""
    schema = dict(document["components"]["schemas"][reference["$ref"].rpartition("/")[2]])
    schema.pop("description", None)
    return schema


def test_every_operation_is_there_once(document):
    """Second spellings and trailing slashes are served, and not documented."""
    assert {path: sorted(item) for path, item in document["paths"].items()} == {
        "/accounts/resend-confirmation": ["post"],
        "/api/auth/send-email-confirmation": ["post"],
        "/api/oauth2/user/resend_confirmation_link": ["post"],
        "/api/user/resend_confirmation_link": ["post"],
        "/api/users/resendconfirmation/{identity}": ["post"],
        "/auth/send-email-confirmation": ["post"],
    }


def test_quiva_is_its_own_document(document):
    """The operation equals the vendor's key for key."""
    assert operation(document, "/accounts/resend-confirmation") == yaml.safe_load(QUIVA)


def test_nothing_of_quiva_is_left_in_the_components(document):
    """What was written in place is not listed a second time."""
    assert not [name for name in document["components"]["schemas"] if name.startswith("Quiva")]


@pytest.mark.parametrize(
    ("path", "operation_id", "summary", "parameters", "statuses"),
    [
        (
            "/api/oauth2/user/resend_confirmation_link",
            "oauth-20-resend-account-confirmation-email",
            "[OAuth2.0] Resend account confirmation email",
            {
                ("client_id", "integer", True),
                ("redirect_uri", "string", False),
                ("state", "string", False),
                ("locale", "string", False),
            },
            ["204", "400", "404", "409", "422", "429"],
        ),
        (
            "/api/user/resend_confirmation_link",
            "jwt-resend-account-confirmation-email",
            "[JWT] Resend account confirmation email",
            {
                ("projectId", "string", True),
                ("login_url", "string", False),
                ("payload", "string", False),
                ("locale", "string", False),
            },
            ["204", "400", "404", "422", "429"],
        ),
    ],
)
def test_xsolla(document, path, operation_id, summary, parameters, statuses):
    """Operation id, title, parameters, statuses, example and error schema are the vendor's."""
    found = operation(document, path)
    assert found["operationId"] == operation_id
    assert found["summary"] == summary
    assert found["description"] == (
        "Resends an account confirmation email to a user. To complete account confirmation, "
        "the user should follow the link in the email."
    )
    assert {
        (p["name"], p["schema"]["type"], p.get("required", False)) for p in found["parameters"]
    } == parameters
    assert all(p["in"] == "query" for p in found["parameters"])
    assert sorted(found["responses"]) == statuses
    assert "content" not in found["responses"]["204"]
    body = found["requestBody"]["content"]["application/json"]
    assert found["requestBody"]["required"] is True
    assert [example["value"] for example in body["examples"].values()] == [
        {"username": "john-email@email.com"}
    ]
    schema = described(document, body["schema"])
    assert schema["required"] == ["username"]
    assert schema["properties"]["username"]["type"] == "string"
    assert schema["properties"]["username"]["example"] == "john-email@email.com"
    for status in statuses[1:]:
        reference = found["responses"][status]["content"]["application/json"]["schema"]
        envelope = described(document, reference)
        assert envelope["required"] == ["error"]
        assert described(document, envelope["properties"]["error"]) == XSOLLA_ERROR


def test_backendless(document):
    """No body goes in, none comes out, and an error has an integer code."""
    found = operation(document, "/api/users/resendconfirmation/{identity}")
    assert found["summary"] == "Resend Email Confirmation"
    assert found["parameters"] == [
        {
            "in": "path",
            "name": "identity",
            "schema": {"type": "string"},
            "description": "Value in a column marked as identity in the Users table. By default "
            "a Backendless application has email as the identity column. In that case the "
            "parameter for the API should be the email address of a user.",
            "required": True,
        }
    ]
    assert "requestBody" not in found
    assert sorted(found["responses"]) == ["200", "400", "429"]
    assert "content" not in found["responses"]["200"]
    for status in ("400", "429"):
        reference = found["responses"][status]["content"]["application/json"]["schema"]
        assert described(document, reference) == {
            "type": "object",
            "properties": {"message": {"type": "string"}, "code": {"type": "integer"}},
            "required": ["code", "message"],
        }


def test_strapi(document):
    """The seed's statuses and its two keys, with the two that its clients use."""
    found = operation(document, "/auth/send-email-confirmation")
    assert found["operationId"] == "auth-send-email-confirmation-post"
    assert found["description"] == "Send a confirmation email to user"
    assert "parameters" not in found
    assert {status: r["description"] for status, r in found["responses"].items()} == {
        "200": "response",
        "403": "Forbidden",
        "404": "Not found",
        "default": "unexpected error",
    }
    for status in ("403", "404", "default"):
        reference = found["responses"][status]["content"]["application/json"]["schema"]
        assert described(document, reference) == STRAPI_ERROR


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
    """Vendors' clients bring none, whatever the host's own API wants."""
    assert [item["post"]["security"] for item in document["paths"].values()] == [[]] * 6

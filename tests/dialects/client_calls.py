"""The calls that a generated client makes to the example site, and their expected results.

Accounts and clients are those of the demonstration. The generator derives the names of modules,
models and arguments from the document's tags, operation ids and components.
"""

from dataclasses import dataclass, field
from typing import Any

OAUTH2 = "xsolla_oauth2.oauth_20_resend_account_confirmation_email"
JWT = "xsolla_jwt.jwt_resend_account_confirmation_email"
QUIVA = "quiva.resend_account_confirmation"
QUIVA_CONFIRM = "quiva.confirm_account_email"
BACKENDLESS = "backendless.resend_email_confirmation"
STRAPI = "strapi.auth_send_email_confirmation_post"
STRAPI_CONFIRM = "strapi.auth_email_confirmation_get"
STRAPI_V4 = "strapi_v4.strapi_v4_auth_send_email_confirmation_post"
STRAPI_V4_CONFIRM = "strapi_v4.strapi_v4_auth_email_confirmation_get"
PROJECT = "40db2ea4-5d42-11e6-a3ff-005056a0e04a"
ARCADE = "5b0e9c1e-77a1-4f5c-9d6a-0d1f5a3b2c58"


@dataclass(frozen=True)
class Call:
    """A call of a generated function, with the expected status, model and content."""

    module: str
    body: tuple[str, dict[str, Any]] | tuple[()]
    status: int
    model: str | None = None
    parsed: Any = None
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.module.partition('.')[0]}-{self.status}"


def xsolla(username: str) -> tuple[str, dict[str, Any]]:
    return "XsollaResendBody", {"username": username}


def quiva(email: str) -> tuple[str, dict[str, Any]]:
    return "ResendAccountConfirmationBody", {"email": email}


def strapi(email: str) -> tuple[str, dict[str, Any]]:
    return "StrapiResendBody", {"email": email}


QUIVA_SUCCESS = {
    "data": {
        "message": "Please check your inbox. If a root account is associated with this email and "
        "remains unconfirmed, a reconfirmation message should have been sent."
    }
}
#: The order matters: the second request for an identity is within the cooldown.
CALLS = [
    Call(
        OAUTH2,
        xsolla("pending000001@example.com"),
        204,
        arguments={
            "client_id": 58,
            "redirect_uri": "https://arcade.example/b?keep=1",
            "state": "state-1-2-3",
            "locale": "de_DE",
        },
    ),
    Call(
        OAUTH2,
        xsolla("pending000001"),
        429,
        "XsollaError",
        {"error": {"code": "002-057", "description": "Too many attempts. Try again later."}},
        {"client_id": 57},
    ),
    Call(
        OAUTH2,
        xsolla("nobody-1@example.com"),
        404,
        "XsollaError",
        {"error": {"code": "003-002", "description": "User not found."}},
        {"client_id": 57},
    ),
    Call(
        OAUTH2,
        xsolla("confirmed@example.com"),
        422,
        "XsollaError",
        {"error": {"code": "003-409", "description": "User account is already confirmed."}},
        {"client_id": 57},
    ),
    Call(
        OAUTH2,
        xsolla("pending000002@example.com"),
        422,
        "XsollaError",
        {
            "error": {
                "code": "010-011",
                "description": "Callback URL is not specified for a client with several callback "
                "URLs.",
            }
        },
        {"client_id": 58},
    ),
    Call(
        OAUTH2,
        xsolla("pending000002@example.com"),
        400,
        "XsollaError",
        {
            "error": {
                "code": "010-022",
                "description": "Parameter state is missing or too weak: it must be longer than 8 "
                "characters.",
                "details": {"state": ["Ensure this field has at least 9 characters."]},
            }
        },
        {"client_id": 57, "state": "12345678"},
    ),
    Call(
        JWT,
        xsolla("pending000003@example.com"),
        204,
        arguments={
            "project_id": ARCADE,
            "login_url": "https://arcade.example/a",
            "payload": "level 7",
        },
    ),
    Call(
        JWT,
        xsolla("confirmed@example.com"),
        422,
        "XsollaError",
        {"error": {"code": "003-409", "description": "User account is already confirmed."}},
        {"project_id": PROJECT},
    ),
    Call(
        JWT,
        xsolla("pending000002@example.com"),
        404,
        "XsollaError",
        {"error": {"code": "003-061", "description": "Object not found."}},
        {"project_id": "00000000-0000-4000-8000-000000000000"},
    ),
    Call(
        QUIVA,
        quiva("pending000004@example.com"),
        200,
        "ResendAccountConfirmationResponse200",
        QUIVA_SUCCESS,
    ),
    Call(
        QUIVA,
        quiva("nobody-2@example.com"),
        200,
        "ResendAccountConfirmationResponse200",
        QUIVA_SUCCESS,
    ),
    Call(
        QUIVA,
        quiva("nobody"),
        400,
        "ResendAccountConfirmationResponse400",
        {"error": "Email is not valid"},
    ),
    Call(BACKENDLESS, (), 200, arguments={"identity": "plus+tag@example.com"}),
    Call(BACKENDLESS, (), 200, arguments={"identity": "7001"}),
    Call(
        BACKENDLESS,
        (),
        400,
        "BackendlessError",
        {
            "message": "User has already confirmed the email address. Email confirmation will not "
            "be sent.",
            "code": 3102,
        },
        {"identity": "confirmed@example.com"},
    ),
    Call(
        BACKENDLESS,
        (),
        400,
        "BackendlessError",
        {
            "message": "Unable to send email confirmation - user account with the email cannot be "
            "found.",
            "code": 3104,
        },
        {"identity": "grüße/a?b=%2F#c"},
    ),
    Call(
        STRAPI,
        strapi("PENDING.upper@example.com"),
        200,
        "StrapiSuccess",
        {"email": "Pending.Upper@Example.com", "sent": True},
    ),
    Call(
        STRAPI,
        strapi("nobody-3@example.com"),
        404,
        "StrapiError",
        {"code": 404, "message": "Not found", "statusCode": 404, "error": "Not Found"},
    ),
    Call(
        STRAPI,
        strapi("confirmed@example.com"),
        400,
        "StrapiError",
        {"code": 400, "message": "already.confirmed", "statusCode": 400, "error": "Bad Request"},
    ),
    Call(
        STRAPI_V4,
        strapi("pending000005@example.com"),
        200,
        "StrapiSuccess",
        {"email": "pending000005@example.com", "sent": True},
    ),
    Call(
        STRAPI_V4,
        strapi("nobody-4@example.com"),
        200,
        "StrapiSuccess",
        {"email": "nobody-4@example.com", "sent": True},
    ),
    Call(
        STRAPI_V4,
        strapi("blocked@example.com"),
        400,
        "StrapiV4Error",
        {
            "data": None,
            "error": {
                "status": 400,
                "name": "ApplicationError",
                "message": "User blocked",
                "details": {},
            },
        },
    ),
    Call(
        STRAPI_V4,
        strapi("no address"),
        400,
        "StrapiV4Error",
        {
            "data": None,
            "error": {
                "status": 400,
                "name": "ValidationError",
                "message": "email must be a valid email",
                "details": {
                    "errors": [
                        {
                            "path": ["email"],
                            "message": "email must be a valid email",
                            "name": "ValidationError",
                            "value": "no address",
                        }
                    ]
                },
            },
        },
    ),
    Call(
        QUIVA_CONFIRM,
        ("ConfirmAccountEmailBody", {"token": "x" * 43}),
        400,
        "ConfirmAccountEmailResponse400",
        {"error": "Invalid token"},
    ),
    Call(
        STRAPI_CONFIRM,
        (),
        400,
        "StrapiError",
        {"code": 400, "message": "token.invalid", "statusCode": 400, "error": "Bad Request"},
        {"confirmation": "x" * 43},
    ),
    Call(
        STRAPI_V4_CONFIRM,
        (),
        400,
        "StrapiV4Error",
        {
            "data": None,
            "error": {
                "status": 400,
                "name": "ValidationError",
                "message": "Invalid token",
                "details": {},
            },
        },
        {"confirmation": "x" * 43},
    ),
]
#: The recipients of the messages, one for each successful call.
RECIPIENTS = {
    "Pending.Upper@Example.com",
    "number@example.com",
    "pending000001@example.com",
    "pending000003@example.com",
    "pending000004@example.com",
    "pending000005@example.com",
    "plus+tag@example.com",
}

"""In what the operations of our document differ from the vendors', and why.

A row is the place in the operation, what the vendor's document says there, what ours says and the
reason; None is silence, and what is silent has nothing below it either. What comes from a vendor's
other documents, server or clients is called "seen" in the pages of docs/dialects.
"""

from typing import Any

Deviations = list[tuple[str, Any, Any, str]]

JSON = "content/application/json"
NO_CREDENTIALS = "the page names no credentials, and none are needed whatever the host's API wants"
GROUPED = "the page is in no group; viewers and generators sort operations by their tags"
REQUIRED_BODY = "a field in it is required, so the body is"

_XSOLLA_TEXT = "the page says the fields of each answer alone; OpenAPI requires a description"
XSOLLA: Deviations = [
    ("/security", None, [], NO_CREDENTIALS),
    ("/requestBody/required", None, True, REQUIRED_BODY),
    (
        "/parameters/query locale",
        None,
        {
            "schema": {"type": "string", "minLength": 1},
            "description": "Language of the message, such as de_DE.",
        },
        "seen: the vendor's clients send it",
    ),
    (
        f"/requestBody/{JSON}/schema/properties/username/maxLength",
        None,
        255,
        "our own limit: what is longer is nobody's name or address",
    ),
    (
        f"/requestBody/{JSON}/examples",
        None,
        {"Request": {"value": {"username": "john-email@email.com"}}},
        "the field's example once more, as the whole request that viewers fill in",
    ),
    ("/responses/204/description", None, "The message is on its way.", _XSOLLA_TEXT),
    ("/responses/400/description", None, "Request has invalid parameters.", _XSOLLA_TEXT),
    ("/responses/404/description", None, "Object not found.", _XSOLLA_TEXT),
    (
        "/responses/422/description",
        None,
        "The call is not possible for this user or project.",
        _XSOLLA_TEXT,
    ),
    ("/responses/429/description", None, "Too many attempts.", _XSOLLA_TEXT),
]

DEVIATIONS: dict[str, Deviations] = {
    "quiva": [],
    "xsolla-oauth2": [
        *XSOLLA,
        (
            "/operationId",
            None,
            "oauth-20-resend-account-confirmation-email",
            "the page's text has none; seen in its address",
        ),
        ("/tags", None, ["xsolla-oauth2"], GROUPED),
        (
            "/parameters/query redirect_uri/description",
            (
                "URL to redirect the user to after account confirmation, successful "
                "authentication, or password reset confirmation. To set up this parameter, "
                "contact your Customer Success Manager or email to csm@xsolla.com. Notice The "
                "parameter is required if you have more than one redirect URI in your project "
                "settings."
            ),
            (
                "URL to redirect the user to after account confirmation, successful "
                "authentication, or password reset confirmation. The parameter is required if "
                "you have more than one redirect URI in your project settings."
            ),
            "the vendor's staff can set nothing up here",
        ),
        (
            "/parameters/query state/schema/minLength",
            None,
            9,
            "the page's own sentence, 'Must be longer than 8 symbols', where machines read it",
        ),
        (
            "/parameters/query state/schema/maxLength",
            None,
            512,
            "our own limit: the value is kept until the link is used",
        ),
        (
            "/responses/409/description",
            None,
            "Not used: the answer for an account that is already confirmed has status 422.",
            "the page says of no status what it is for, and an SDK has no case for 409",
        ),
    ],
    "xsolla-jwt": [
        *XSOLLA,
        (
            "/operationId",
            None,
            "jwt-resend-account-confirmation-email",
            "the page's text has none; seen in its address",
        ),
        ("/tags", None, ["xsolla-jwt"], GROUPED),
        (
            "/parameters/query projectId/schema/minLength",
            None,
            1,
            "an empty one names no project and is refused",
        ),
        (
            "/parameters/query login_url/description",
            (
                "URL to redirect the user to after account confirmation, successful "
                "authentication, two-factor authentication configuration, or password reset "
                "confirmation. Must be identical to the Callback URL specified in the URL block "
                "of Publisher Account. For the scenario of a login error, the value should be "
                "identical to the the Error callback URL specified in the URL block of "
                "Publisher Account. To find the settings, go to Login > your Login project and "
                "select the Callback URLs section in the upper block. Required if there are "
                "several Callback URLs."
            ),
            (
                "URL to redirect the user to after account confirmation, successful "
                "authentication, two-factor authentication configuration, or password reset "
                "confirmation. Must be identical to the Callback URL specified in the URL block "
                "of Publisher Account. Required if there are several Callback URLs."
            ),
            "here is no menu to go to, and nobody logs in, so that no login goes wrong",
        ),
        (
            "/parameters/query payload/description",
            (
                "Your custom data. The value of the parameter will be returned in the payload "
                "claim of the user JWT. Recommended maximum length less than 500 characters. "
                "Note, that this parameter is only available if you use a custom user data "
                "storage."
            ),
            (
                "Your custom data. The value of the parameter will be returned in the payload "
                "claim of the user JWT. Recommended maximum length less than 500 characters."
            ),
            "here it is available always: the host's accounts are a storage of its own",
        ),
        (
            "/parameters/query payload/schema/maxLength",
            None,
            2000,
            "our own limit: the value is kept until the link is used",
        ),
    ],
    "backendless": [
        (
            "/operationId",
            None,
            "resend-email-confirmation",
            "the page has none; generators name a function by it",
        ),
        ("/tags", None, ["backendless"], GROUPED),
        (
            "/parameters/path identity/schema",
            None,
            {"type": "string"},
            "the page says no type; what stands in a path is text",
        ),
        (
            "/parameters/path identity/example",
            "alice@yourmail.com",
            None,
            "the same stands under 'examples', the form that drf-spectacular writes",
        ),
        (
            "/parameters/path identity/examples",
            None,
            {"Identity": {"value": "alice@yourmail.com"}},
            "the page's example, in the form that drf-spectacular writes",
        ),
        (
            f"/responses/400/{JSON}/schema/properties/message/type",
            None,
            "string",
            "the page says no type; seen in the vendor's clients",
        ),
        (
            f"/responses/400/{JSON}/schema/properties/code/type",
            None,
            "integer",
            "the page says no type, only numbers; a client of the vendor's takes nothing else",
        ),
        (
            f"/responses/400/{JSON}/examples/2002",
            None,
            {
                "value": {
                    "message": "Version is disabled or provided wrong application info "
                    "(application id or secret key)",
                    "code": 2002,
                }
            },
            "seen: of an application id or a key that nobody has",
        ),
        (
            "/responses/429",
            None,
            {
                "description": "Cannot process request - request per second limit has been "
                "exhausted",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["code", "message"],
                            "properties": {
                                "message": {"type": "string"},
                                "code": {"type": "integer"},
                            },
                        }
                    }
                },
            },
            "seen: code and text are on the vendor's list of all errors; the status is ours",
        ),
    ],
    "strapi": [
        (
            "/summary",
            None,
            "Send a confirmation email to user",
            "the page's title is empty; its description fits",
        ),
        ("/tags", None, ["strapi"], GROUPED),
        ("/security", None, [], NO_CREDENTIALS),
        ("/requestBody/required", None, True, REQUIRED_BODY),
        (
            f"/requestBody/{JSON}/example",
            {"foo": "string"},
            None,
            "a placeholder of the vendor's generator: its server reads 'email'",
        ),
        (
            f"/requestBody/{JSON}/schema",
            None,
            {
                "type": "object",
                "required": ["email"],
                "properties": {"email": {"type": "string", "format": "email"}},
            },
            "seen: what the vendor's server reads",
        ),
        (
            f"/responses/200/{JSON}/example",
            {"foo": "string"},
            None,
            "a placeholder of the vendor's generator: its server answers otherwise",
        ),
        (
            f"/responses/200/{JSON}/schema",
            None,
            {
                "type": "object",
                "required": ["email", "sent"],
                "properties": {"email": {"type": "string"}, "sent": {"type": "boolean"}},
            },
            "seen: what the vendor's server answers",
        ),
        *[
            row
            for status in ("403", "404", "default")
            for row in [
                (
                    f"/responses/{status}/{JSON}/example",
                    {"code": 0, "message": "string"},
                    None,
                    "a placeholder of the vendor's generator, with the first two keys of ours",
                ),
                (
                    f"/responses/{status}/{JSON}/schema",
                    None,
                    {
                        "type": "object",
                        "required": ["code", "error", "message", "statusCode"],
                        "properties": {
                            "code": {"type": "integer"},
                            "message": {"type": "string"},
                            "statusCode": {"type": "integer"},
                            "error": {"type": "string"},
                        },
                    },
                    "the page's two keys, and the two that the vendor's server and clients use",
                ),
            ]
        ],
    ],
}

#: Answers of the vendor's document that ours has under another status, and why.
MOVED = {
    "backendless": {"default": ("400", "the page says no status; seen in the vendor's clients")},
}

#: Operations of which the vendors publish no such document; the golden file watches over them.
UNDOCUMENTED = {
    ("post", "/accounts/confirm-email"): "the vendor's API has it, its published pages do not",
    ("get", "/auth/email-confirmation"): "the link of the vendor's messages, which nobody calls",
    ("get", "/api/auth/email-confirmation"): "the link of the vendor's messages, as above",
    ("post", "/api/auth/send-email-confirmation"): "the later generation, described in prose alone",
}

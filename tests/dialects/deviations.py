"""Differences between the operations of our document and the vendors', with reasons.

A row has the place in the operation, the vendor's value, our value and the reason. None means that
the place does not exist. "Seen" means that the value comes from a vendor's other documents, server
or clients, as described in docs/dialects.
"""

from typing import Any

Deviations = list[tuple[str, Any, Any, str]]

JSON = "content/application/json"
NO_CREDENTIALS = "the page names no credentials; none are needed, even if the host's API needs some"
GROUPED = "the page is not in a group; viewers and generators group operations by their tags"
REQUIRED_BODY = "one of its fields is required, so the body is too"

_XSOLLA_TEXT = "the page only lists the fields of each answer; OpenAPI requires a description"
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
        "our own limit: user names and addresses are not longer",
    ),
    (
        f"/requestBody/{JSON}/examples",
        None,
        {"Request": {"value": {"username": "john-email@email.com"}}},
        "the field's example again, as a complete request that viewers can fill in",
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
            "the page's text has none; seen in its URL",
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
            "the vendor's staff cannot set it up here",
        ),
        (
            "/parameters/query state/schema/minLength",
            None,
            9,
            "the page's sentence 'Must be longer than 8 symbols', in machine-readable form",
        ),
        (
            "/parameters/query state/schema/maxLength",
            None,
            512,
            "our own limit: the value is stored until the link is used",
        ),
        (
            "/responses/409/description",
            None,
            "Not used: the answer for an account that is already confirmed has status 422.",
            "the page does not explain its statuses, and an SDK has no case for 409",
        ),
        (
            f"/responses/409/{JSON}/examples",
            None,
            {
                "Unused": {
                    "value": {
                        "error": {
                            "code": "003-409",
                            "description": "User account is already confirmed.",
                        }
                    },
                    "summary": "not used: sent with status 422",
                }
            },
            "viewers would make one of the fields' examples, which are those of another error",
        ),
    ],
    "xsolla-jwt": [
        *XSOLLA,
        (
            "/operationId",
            None,
            "jwt-resend-account-confirmation-email",
            "the page's text has none; seen in its URL",
        ),
        ("/tags", None, ["xsolla-jwt"], GROUPED),
        (
            "/parameters/query projectId/schema/minLength",
            None,
            1,
            "an empty value does not name a project and is refused",
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
            "there is no such menu here, and no login that could fail",
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
            "it is always available here: the host's accounts are a custom storage",
        ),
        (
            "/parameters/query payload/schema/maxLength",
            None,
            2000,
            "our own limit: the value is stored until the link is used",
        ),
    ],
    "backendless": [
        (
            "/operationId",
            None,
            "resend-email-confirmation",
            "the page has none; generators derive a function's name from it",
        ),
        ("/tags", None, ["backendless"], GROUPED),
        (
            "/parameters/path identity/schema",
            None,
            {"type": "string"},
            "the page has no type; a value in a path is a string",
        ),
        (
            "/parameters/path identity/example",
            "alice@yourmail.com",
            None,
            "it is under 'examples', as drf-spectacular writes it",
        ),
        (
            "/parameters/path identity/examples",
            None,
            {"Identity": {"value": "alice@yourmail.com"}},
            "the page's example, as drf-spectacular writes it",
        ),
        (
            f"/responses/400/{JSON}/schema/properties/message/type",
            None,
            "string",
            "the page has no type; seen in the vendor's clients",
        ),
        (
            f"/responses/400/{JSON}/schema/properties/code/type",
            None,
            "integer",
            "the page has no type, only numbers; one of the vendor's clients requires a number",
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
            "seen: the answer to an unknown application id or key",
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
            "seen: code and text are in the vendor's list of errors; the status is ours",
        ),
    ],
    "strapi": [
        (
            "/summary",
            None,
            "Send a confirmation email to user",
            "the page's title is empty; its description is used",
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
            "a placeholder of the vendor's generator: its server has another answer",
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
                    "the page's two keys, and two more that the vendor's server and clients use",
                ),
            ]
        ],
    ],
}

#: Answers of the vendor's document that have another status in ours, with reasons.
MOVED = {
    "backendless": {"default": ("400", "the page has no status; seen in the vendor's clients")},
}

#: Places in which the published document differs from the one that is compared above, as patterns.
PUBLISHED = {
    "/tags": "one group for each dialect: a vendor's own name for a group does not name the vendor",
    r"/parameters/\w+ \w+/examples?": "a value of the demonstration, with which a call succeeds",
    rf"/requestBody/{JSON}/examples(/Request/value/\w+)?": "a request of the demonstration",
    r"/responses/\d+": "a status that the vendor does not document, since OPENAPI_ANSWERS is 'all'",
    r"/responses/\d+/headers": "headers with the time to wait, for the same reason",
    rf"/responses/\w+/{JSON}/examples": "an example of each answer, for the same reason",
}

#: Operations that the vendors have not documented; only the golden file covers them.
UNDOCUMENTED = {
    ("post", "/accounts/confirm-email"): "the vendor's API has it, but its published pages do not",
    ("get", "/auth/email-confirmation"): "the link in the vendor's messages, not a call",
    ("get", "/api/auth/email-confirmation"): "the link in the vendor's messages, as above",
    ("post", "/api/auth/send-email-confirmation"): "the later generation, only described in prose",
}

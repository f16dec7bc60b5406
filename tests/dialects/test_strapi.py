"""Strapi 3, and Strapi 4 and 5: every ending, JSON, forms and the redirect."""

import json
from dataclasses import replace

import pytest

from resend_confirmation.dialects.strapi import StrapiResend, StrapiV4Resend
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import (
    ENDINGS,
    ConfirmationState,
    DeliveryState,
    Outcome,
    Reason,
    Refusal,
)
from tests.factories import PendingFactory

from .cases import ADDRESS, Case, Endings, Request, expected

FORM = "application/x-www-form-urlencoded"


def v3_request(identity, client="game"):
    body = json.dumps({"email": identity}).encode()
    return Request(path="/auth/send-email-confirmation", body=body)


def v4_request(identity, client="game"):
    return replace(v3_request(identity), path="/api/auth/send-email-confirmation")


SUCCESS = expected(200, b'{"email":"pending@example.com","sent":true}')

# Strapi 3

MISSING = expected(
    400, b'{"code":400,"message":"missing.email","statusCode":400,"error":"Bad Request"}'
)
WRONG = expected(
    400, b'{"code":400,"message":"wrong.email","statusCode":400,"error":"Bad Request"}'
)
NO_JSON = expected(
    400,
    b'{"code":400,"message":"invalid JSON, only supports object and array","statusCode":400,'
    b'"error":"Bad Request"}',
)
FORBIDDEN = expected(
    403, b'{"code":403,"message":"Forbidden","statusCode":403,"error":"Forbidden"}'
)
TOO_MANY = (
    b'{"code":429,"message":"Too many attempts, please try again in a minute.",'
    b'"statusCode":429,"error":"Too Many Requests"}'
)
V3_ENDINGS: Endings = {
    Outcome.SENT: SUCCESS,
    Outcome.UNKNOWN: expected(
        404, b'{"code":404,"message":"Not found","statusCode":404,"error":"Not Found"}'
    ),
    Outcome.CONFIRMED: expected(
        400, b'{"code":400,"message":"already.confirmed","statusCode":400,"error":"Bad Request"}'
    ),
    Outcome.BLOCKED: expected(
        400, b'{"code":400,"message":"blocked.user","statusCode":400,"error":"Bad Request"}'
    ),
    Outcome.COOLING_DOWN: expected(429, TOO_MANY, {"Retry-After": "45"}),
    Refusal.INVALID: WRONG,
    Refusal.MALFORMED: NO_JSON,
    Refusal.TOO_LARGE: expected(
        413,
        b'{"code":413,"message":"Payload Too Large","statusCode":413,"error":"Payload Too Large"}',
    ),
    Refusal.UNKNOWN_CLIENT: FORBIDDEN,
    Refusal.NOT_ENABLED: FORBIDDEN,
    Refusal.REDIRECT_REQUIRED: FORBIDDEN,
    Refusal.REDIRECT_NOT_ALLOWED: FORBIDDEN,
    Refusal.THROTTLED: expected(429, TOO_MANY, {"Retry-After": "37"}),
    Refusal.WRONG_METHOD: expected(
        405,
        b'{"code":405,"message":"Method Not Allowed","statusCode":405,'
        b'"error":"Method Not Allowed"}',
        {"Allow": "POST"},
    ),
    Refusal.FAILED: expected(
        500,
        b'{"code":500,"message":"Internal Server Error","statusCode":500,'
        b'"error":"Internal Server Error"}',
    ),
}
V3_FAULTS = {
    "missing": MISSING,
    "empty": MISSING,
    "blank": WRONG,
    "null": MISSING,
    "over-long": WRONG,
    "NUL": WRONG,
    "a line break": WRONG,
    "a lone surrogate": WRONG,
    "a number": WRONG,
    "an object": WRONG,
    "given twice": WRONG,
    "cut off": NO_JSON,
    "no object": NO_JSON,
    "not UTF-8": NO_JSON,
    "unmarked UTF-16": NO_JSON,
    "too deep": NO_JSON,
    "no JSON number": NO_JSON,
}

# Strapi 4 and 5


def not_valid(value: bytes):
    """Return the reply to an invalid address, with the value that was sent."""
    return expected(
        400,
        b'{"data":null,"error":{"status":400,"name":"ValidationError",'
        b'"message":"email must be a valid email","details":{"errors":[{"path":["email"],'
        b'"message":"email must be a valid email","name":"ValidationError","value":'
        + value
        + b"}]}}}",
    )


def not_a_string(text: bytes, value: bytes):
    """Return the reply to a value of another type, which it repeats as text and as JSON."""
    message = b'"email must be a `string` type, but the final value was: `' + text + b'`."'
    return expected(
        400,
        b'{"data":null,"error":{"status":400,"name":"ValidationError","message":'
        + message
        + b',"details":{"errors":[{"path":["email"],"message":'
        + message
        + b',"name":"ValidationError","value":'
        + value
        + b"}]}}}",
    )


def no_json(message: bytes):
    """Return the reply to a body that cannot be parsed, with the parser's message."""
    return expected(
        400,
        b'{"data":null,"error":{"status":400,"name":"SyntaxError","message":"' + message + b'"}}',
    )


REQUIRED_V4 = expected(
    400,
    b'{"data":null,"error":{"status":400,"name":"ValidationError",'
    b'"message":"email is a required field","details":{"errors":[{"path":["email"],'
    b'"message":"email is a required field","name":"ValidationError"}]}}}',
)
FORBIDDEN_V4 = expected(
    403,
    b'{"data":null,"error":{"status":403,"name":"ForbiddenError","message":"Forbidden",'
    b'"details":{}}}',
)
TOO_MANY_V4 = (
    b'{"data":null,"error":{"status":429,"name":"RateLimitError",'
    b'"message":"Too many requests, please try again later.","details":{}}}'
)
V4_ENDINGS: Endings = {
    Outcome.SENT: SUCCESS,
    Outcome.UNKNOWN: SUCCESS,
    Outcome.CONFIRMED: expected(
        400,
        b'{"data":null,"error":{"status":400,"name":"ApplicationError",'
        b'"message":"Already confirmed","details":{}}}',
    ),
    Outcome.BLOCKED: expected(
        400,
        b'{"data":null,"error":{"status":400,"name":"ApplicationError",'
        b'"message":"User blocked","details":{}}}',
    ),
    Outcome.COOLING_DOWN: expected(
        429,
        TOO_MANY_V4,
        {
            "Retry-After": "45",
            "X-RateLimit-Limit": "1",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1800000113",
        },
    ),
    Refusal.INVALID: expected(
        400,
        b'{"data":null,"error":{"status":400,"name":"ValidationError",'
        b'"message":"email must be a valid email","details":{"errors":[{"path":["email"],'
        b'"message":"email must be a valid email","name":"ValidationError",'
        b'"value":"\\u0007"}]}}}',
    ),
    Refusal.MALFORMED: expected(
        400,
        b'{"data":null,"error":{"status":400,"name":"SyntaxError",'
        b'"message":"Expecting property name enclosed in double quotes at position 1"}}',
    ),
    Refusal.TOO_LARGE: expected(
        413,
        b'{"data":null,"error":{"status":413,"name":"PayloadTooLargeError",'
        b'"message":"Payload Too Large","details":{}}}',
    ),
    Refusal.UNKNOWN_CLIENT: FORBIDDEN_V4,
    Refusal.NOT_ENABLED: FORBIDDEN_V4,
    Refusal.REDIRECT_REQUIRED: FORBIDDEN_V4,
    Refusal.REDIRECT_NOT_ALLOWED: FORBIDDEN_V4,
    Refusal.THROTTLED: expected(
        429,
        TOO_MANY_V4,
        {
            "Retry-After": "37",
            "X-RateLimit-Limit": "2",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1800000090",
        },
    ),
    Refusal.WRONG_METHOD: expected(
        405,
        b'{"data":null,"error":{"status":405,"name":"MethodNotAllowedError",'
        b'"message":"Method Not Allowed","details":{}}}',
        {"Allow": "POST"},
    ),
    Refusal.FAILED: expected(
        500,
        b'{"data":null,"error":{"status":500,"name":"InternalServerError",'
        b'"message":"Internal Server Error"}}',
    ),
}
V4_FAULTS = {
    "missing": REQUIRED_V4,
    "empty": REQUIRED_V4,
    "blank": not_valid(b'"   "'),
    "null": REQUIRED_V4,
    "over-long": not_valid(b'"' + b"x" * 244 + b'@example.com"'),
    "NUL": not_valid(b'"pending\\u0000@example.com"'),
    "a line break": not_valid(b'"pending@example.com\\nBcc: x@example.com"'),
    "a lone surrogate": not_valid(b'"\\ud800@example.com"'),
    "a number": not_a_string(b"123", b"123"),
    "an object": not_a_string(b'{\\n  \\"a\\": [\\n    \\"1\\"\\n  ]\\n}', b'{"a":[1]}'),
    "an array of addresses": not_a_string(
        b'[\\n  \\"\\\\\\"pending@example.com\\\\\\"\\",'
        b'\\n  \\"\\\\\\"thief@evil.example\\\\\\"\\"\\n]',
        b'["pending@example.com","thief@evil.example"]',
    ),
    "an array of one": not_a_string(
        b'[\\n  \\"\\\\\\"pending@example.com\\\\\\"\\"\\n]', b'["pending@example.com"]'
    ),
    "given twice": not_valid(b'"pending@example.com"'),
    "cut off": no_json(b"Expecting value at position 10"),
    "no object": no_json(b"Not an object"),
    "not UTF-8": no_json(b"Body is not valid UTF-8"),
    "unmarked UTF-16": no_json(b"Expecting property name enclosed in double quotes at position 1"),
    "too deep": no_json(b"Nested too deeply"),
    "no JSON number": no_json(b"Body is not valid JSON"),
}
V3 = Case(
    name="strapi",
    view=StrapiResend,
    request_for=v3_request,
    endings=V3_ENDINGS,
    faults=V3_FAULTS,
    field="email",
)
V4 = Case(
    name="strapi-v4",
    view=StrapiV4Resend,
    request_for=v4_request,
    endings=V4_ENDINGS,
    faults=V4_FAULTS,
    field="email",
)
CASES = [V3, V4]

both = pytest.mark.parametrize("case", CASES, ids=str)


@both
@pytest.mark.parametrize("ending", ENDINGS, ids=str)
def test_ending(case, ending, arrange, reply):
    """Each ending has exactly the vendor's status, headers and body."""
    assert reply(arrange(case, ending)) == case.endings[ending]


@both
@pytest.mark.parametrize("body", [b"{}", b'{"email": ""}', b'{"email": null}', b"", b"[]"])
def test_missing_email(case, body, reply, pending, assert_unchanged):
    """A missing address has its own error."""
    with assert_unchanged():
        assert reply(replace(case.request_for(""), body=body)) == case.faults["missing"]


@pytest.mark.parametrize("email", ["pending", "   ", 7, False, ["pending@example.com"], {"a": "b"}])
def test_wrong_email_v3(email, reply, pending, assert_unchanged):
    """Strapi 3 has one error for all other invalid values."""
    with assert_unchanged():
        assert reply(v3_request(email)) == WRONG


@pytest.mark.parametrize(
    ("email", "answer"),
    [
        ("pending", not_valid(b'"pending"')),
        ("ü", not_valid(b'"\\u00fc"')),
        (123, not_a_string(b"123", b"123")),
        (1.5, not_a_string(b"1.5", b"1.5")),
        (False, not_a_string(b"false", b"false")),
        ([], not_a_string(b"[]", b"[]")),
        (1.0, not_a_string(b"1", b"1.0")),
        (2e25, not_a_string(b"2e+25", b"2e+25")),
        ({}, not_a_string(b"{}", b"{}")),
        (
            {"a": "{b}", "c": [True, None, 2.5]},
            not_a_string(
                b'{\\n  \\"a\\": \\"\\\\\\"{b}\\\\\\"\\",\\n  \\"c\\": [\\n    \\"true\\",\\n'
                b'    \\"null\\",\\n    \\"2.5\\"\\n  ]\\n}',
                b'{"a":"{b}","c":[true,null,2.5]}',
            ),
        ),
        (
            ["ü"],
            not_a_string(b'[\\n  \\"\\\\\\"\\u00fc\\\\\\"\\"\\n]', b'["\\u00fc"]'),
        ),
        ("   ", not_valid(b'"   "')),
    ],
    ids=str,
)
def test_wrong_email_v4(email, answer, reply, pending, assert_unchanged):
    """Strapi 4 distinguishes a wrong type from an invalid address, and repeats the value.

    The messages for wrong types are those of yup 0.32.9 for the same values.
    """
    with assert_unchanged():
        assert reply(v4_request(email)) == answer


@pytest.mark.parametrize(("depth", "name"), [(16, "ValidationError"), (17, "SyntaxError")])
def test_echo_is_bounded(depth, name, reply, assert_unchanged):
    """A value with more than 16 levels is refused, since its repetition is indented."""
    lists = depth - 1
    body = b'{"email": ' + b"[" * lists + b"1," * 7000 + b"1" + b"]" * lists + b"}"
    with assert_unchanged():
        answer = reply(replace(v4_request(""), body=body))
    assert json.loads(answer.body)["error"]["name"] == name
    assert len(answer.body) < 64 * len(body)


# The address in answers


def test_v3_tells_the_stored_address(reply, db):
    """Strapi 3 responds with the account's address as stored."""
    PendingFactory(username="p", email="Pending.Upper@Example.com")
    assert reply(v3_request("pending.upper@example.com")) == expected(
        200, b'{"email":"Pending.Upper@Example.com","sent":true}'
    )


def test_v4_tells_the_address_as_typed(reply, db):
    """Strapi 4 responds with the address of the request, since it conceals UNKNOWN."""
    PendingFactory(username="p", email="Pending.Upper@Example.com")
    assert reply(v4_request("pending.upper@example.com")) == expected(
        200, b'{"email":"pending.upper@example.com","sent":true}'
    )


def test_v3_tells_no_address_when_quiet(reply, db, configure):
    """With QUIET Strapi 3 responds with the address of the request."""
    configure(QUIET=["strapi"])
    PendingFactory(username="p", email="Pending.Upper@Example.com")
    assert reply(v3_request("pending.upper@example.com")) == expected(
        200, b'{"email":"pending.upper@example.com","sent":true}'
    )


def test_v4_counts_unknown_addresses(reply, db, clock, delivered):
    """An unknown address has a cooldown too, so it cannot be distinguished."""
    assert reply(v4_request(ADDRESS)) == SUCCESS
    assert delivered() == []
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == (DeliveryState.IGNORED, Reason.UNKNOWN)
    clock.epoch += 15
    assert reply(v4_request(ADDRESS)) == V4_ENDINGS[Outcome.COOLING_DOWN]
    assert delivered() == []


# Forms


@both
@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=UTF-8"])
@pytest.mark.parametrize(
    "body", [b"email=pending%40example.com", b"foo=1&foo=2&email=pending@example.com&x"]
)
def test_form(case, content_type, body, reply, pending, delivered):
    """A form is accepted, and its other fields are ignored."""
    assert reply(replace(case.request_for(""), body=body, content_type=content_type)) == SUCCESS
    assert len(delivered()) == 1


@both
def test_json_that_calls_itself_a_form(case, reply, pending):
    """A JSON body is read as JSON, regardless of its content type."""
    assert reply(replace(case.request_for(ADDRESS), content_type=FORM)) == SUCCESS


@both
def test_form_with_a_plus(case, reply, delivered, db):
    """A plus in a form must be encoded."""
    PendingFactory(username="plus", email="plus+tag@example.com")
    request = replace(
        case.request_for(""), body=b"email=plus%2Btag%40example.com", content_type=FORM
    )
    assert reply(request) == expected(200, b'{"email":"plus+tag@example.com","sent":true}')


@both
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "missing"),
        (b"foo=pending@example.com", "missing"),
        (b"email=", "missing"),
        (b"email=pending@example.com&email=pending@example.com", "given twice"),
    ],
)
def test_bad_form(case, body, fault, reply, pending, assert_unchanged):
    """A form has the same errors as JSON."""
    with assert_unchanged():
        assert (
            reply(replace(case.request_for(""), body=body, content_type=FORM)) == case.faults[fault]
        )


@both
def test_huge_form(case, reply, pending, assert_unchanged):
    """A form with more fields than Django allows gets the vendor's error."""
    body = b"email=pending@example.com" + b"&x=1" * 1000
    answers = {"strapi": NO_JSON, "strapi-v4": no_json(b"Too many fields")}
    with assert_unchanged():
        request = replace(case.request_for(""), body=body, content_type=FORM)
        assert reply(request) == answers[case.name]


@both
def test_form_of_another_type(case, reply, pending, assert_unchanged):
    """A form with the content type of JSON is malformed."""
    answers = {"strapi": NO_JSON, "strapi-v4": no_json(b"Expecting value at position 0")}
    with assert_unchanged():
        assert (
            reply(replace(case.request_for(""), body=b"email=x%40example.com"))
            == answers[case.name]
        )


def multipart(*parts: str) -> bytes:
    """Return a multipart body; a part has headers, a blank line and content."""
    return "".join(f"--X\r\n{part}\r\n" for part in parts).encode() + b"--X--\r\n"


EMAIL_PART = 'Content-Disposition: form-data; name="email"\r\n\r\npending@example.com'


@both
@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=X",
        'Multipart/Form-Data; charset=utf-16; boundary="X"',
    ],
)
def test_multipart(case, content_type, reply, pending, delivered):
    """Strapi 4 accepts multipart, but Strapi 3 does not."""
    other = 'Content-Disposition: form-data; name="x"\r\n\r\n1'
    request = replace(
        case.request_for(""), body=multipart(other, EMAIL_PART), content_type=content_type
    )
    assert reply(request) == {"strapi": NO_JSON, "strapi-v4": SUCCESS}[case.name]
    assert len(delivered()) == (case.name == "strapi-v4")


FILE_PART = 'Content-Disposition: form-data; name="a"; filename="a.txt"\r\n\r\nx'


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (multipart(EMAIL_PART, EMAIL_PART), not_valid(b'"pending@example.com"')),
        (multipart(), REQUIRED_V4),
        (multipart(EMAIL_PART, FILE_PART), no_json(b"Files are not read")),
        (multipart(*[EMAIL_PART.replace("email", "x")] * 200), no_json(b"Too many fields")),
        (b" " * 20_000, V4.endings[Refusal.TOO_LARGE]),
        (multipart(EMAIL_PART).replace(b"\r\n\r\n", b"\r\n"), REQUIRED_V4),
    ],
)
def test_bad_multipart(body, answer, reply, pending, assert_unchanged, settings):
    """A multipart body with repeated fields, files or other faults gets the vendor's error."""
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 100
    content_type = "multipart/form-data; boundary=X"
    with assert_unchanged():
        request = replace(V4.request_for(""), body=body, content_type=content_type)
        assert reply(request) == answer


def test_multipart_without_a_boundary(reply, pending, assert_unchanged):
    """A multipart body without a boundary gets the vendor's error."""
    with assert_unchanged():
        request = replace(
            V4.request_for(""), body=multipart(EMAIL_PART), content_type="multipart/form-data"
        )
        assert reply(request) == no_json(b"Body is not valid multipart")


@pytest.mark.parametrize(
    "body",
    [
        b'{"email": [%s]}' % b",".join([b"0"] * 8000),
        b'{"email": ' + b"[" * 14 + b",".join([b"0"] * 8000) + b"]" * 14 + b"}",
        b'{"email": "%s"}' % (b"x" * 16_000),
        b'{"email": {"%s": 1}}' % (b"x" * 16_000),
    ],
    ids=["list", "deep list", "text", "key"],
)
def test_a_long_value_is_not_said_again(body, reply):
    """The error for a long value is short: the message truncates it, and ``value`` is omitted."""
    answer = reply(replace(V4.request_for(""), body=body))
    assert answer.status == 400
    assert len(answer.body) < 4000
    assert b'"value"' not in answer.body


# Extra inputs of clients


@both
def test_other_keys(case, reply, pending):
    """Other keys are ignored."""
    body = b'{"foo": "string", "foo": "bar", "code": 0, "email": "pending@example.com"}'
    assert reply(replace(case.request_for(""), body=body, query="email=x&populate=*")) == SUCCESS


@both
def test_bearer_token(case, reply, pending):
    """A stale token is ignored."""
    assert (
        reply(replace(case.request_for(ADDRESS), headers={"Authorization": "Bearer stale"}))
        == SUCCESS
    )


# After the click


@both
def test_landing(case, reply, pending, delivered, press):
    """The click redirects to the client's URL."""
    reply(case.request_for(ADDRESS))
    response = press(delivered()[0])
    assert (response.status_code, response["Location"]) == (303, "https://game.example/callback")
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED

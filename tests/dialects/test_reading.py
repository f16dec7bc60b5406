"""Inputs: headers, languages, nested bodies, and bodies that servers cannot read."""

from typing import Any

import pytest
from django.http import HttpRequest
from django.test import AsyncRequestFactory, RequestFactory
from django.utils import translation
from rest_framework import serializers

from resend_confirmation.dialects.base import Fault, IdentityField, LanguageField
from resend_confirmation.dialects.base.body import MULTIPART, raw
from resend_confirmation.dialects.base.parsing import ParsedRequest, accepted_language, read
from resend_confirmation.outcomes import Refusal
from tests import subprocesses

pytestmark = pytest.mark.django

#: A pattern with catastrophic backtracking would take longer than the time limit.
HOSTILE = """
import django
django.setup()
from resend_confirmation.dialects.base import LanguageField
print(repr(LanguageField().run_validation("aa" + "_" * 15_000 + "!")))
"""


def test_a_hostile_language():
    """A hostile language is read in linear time."""
    done = subprocesses.run("-c", HOSTILE, DJANGO_SETTINGS_MODULE="tests.settings")
    assert (done.stdout, done.stderr) == ("''\n", "")


@pytest.mark.parametrize(
    ("text", "language"),
    [("de_DE", "de"), ("pt-BR", "pt-br"), ("de_Latn_AT", "de"), ("de__DE", ""), ("d", "")],
)
def test_language(text, language):
    """A language is read as the site's best match, or as nothing."""
    assert LanguageField().run_validation(text) == language


@pytest.mark.parametrize(
    ("header", "language"),
    [("", ""), ("*", ""), ("*, de;q=0.5", "de"), ("fr, pt;q=0.9, de;q=0.8", "pt-br")],
)
def test_accepted_language(header, language):
    """A browser's language is the first one that the site has; any language is none."""
    request = RequestFactory().get("/", headers={"Accept-Language": header})
    assert accepted_language(request) == language


class Broken:
    """A body that fails as gunicorn's does for malformed chunks, not with an OSError."""

    readline = None

    def read(self, size: int, /) -> bytes:
        raise RuntimeError("bad trailer")


def test_chunks_that_the_server_cannot_read(client, caplog):
    """Malformed chunks get the vendor's error for invalid JSON, and nothing is logged."""
    response = client.generic(
        "POST",
        "/accounts/resend-confirmation",
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        **{"wsgi.input": Broken(), "wsgi.input_terminated": True},
    )
    assert (response.status_code, response.content) == (
        400,
        b'{"error":"Request body is not valid JSON"}',
    )
    assert caplog.text == ""


class HeaderInputs(serializers.Serializer[Any]):
    """Headers for the identity and the client."""

    X_User_Name = IdentityField(source="identity")
    X_App = serializers.CharField(source="client", required=False)


def reading(headers: dict[str, str]) -> ParsedRequest:
    """Read a request with these headers and some that are not declared."""
    request = RequestFactory().post("/?X_App=query", headers={"X-Other": "1", **headers})
    return read(
        request,
        path=(None, {}),
        header_class=HeaderInputs,
        query_class=None,
        body_class=None,
        takes_forms={},
    )


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        ("ann@example.com", "ann@example.com"),
        ("grüße@example.com".encode().decode("latin-1"), "grüße@example.com"),
        ("grüße@example.com", "grüße@example.com"),
        ("ключ".encode().decode("latin-1"), "ключ"),
    ],
)
def test_identity(sent, read_as):
    """A header is decoded as UTF-8, or otherwise as Latin-1."""
    assert reading({"x-user-name": sent}) == ParsedRequest({"identity": read_as})


def test_repr():
    """The repr of a parsed request does not show its input."""
    read_as = reading({"x-user-name": "ann@example.com"})
    assert read_as.values == {"identity": "ann@example.com"}
    assert "ann" not in repr(read_as)


def test_language_of_errors():
    """The texts of errors are English, whichever language the host's middleware activates."""
    with translation.override("de"):
        found = reading({})
    assert found.detail.errors == {"X-User-Name": ["This field is required."]}


def test_all_that_is_declared():
    """Only declared inputs are read."""
    found = reading({"X-User-Name": "ann", "X-App": "shop"})
    assert found.values == {"identity": "ann", "client": "shop"}


@pytest.mark.parametrize(
    ("headers", "kind"), [({}, Fault.MISSING), ({"X-User-Name": "a\x07"}, Fault.WRONG)], ids=repr
)
def test_refusal(headers, kind):
    """An error has the header's name, which a dialect's answers can refer to."""
    found = reading(headers)
    assert found.refusal is Refusal.INVALID
    assert (found.detail.name, found.detail.fault) == ("X-User-Name", kind)
    assert list(found.detail.errors) == ["X-User-Name"]


class Security(serializers.Serializer[Any]):
    """A nested input."""

    captcha_token = serializers.CharField()


class NestedBody(serializers.Serializer[Any]):
    """Inputs of all kinds that DRF has."""

    email = IdentityField(source="identity")
    security = Security(required=False)
    devices = Security(many=True, required=False)
    tags = serializers.ListField(child=serializers.CharField(), required=False)
    notes = serializers.DictField(child=serializers.CharField(), required=False)
    score = serializers.FloatField(required=False)


def body_of(text: str) -> ParsedRequest:
    """Read a JSON body."""
    request = RequestFactory().post("/", text, content_type="application/json")
    return read(
        request,
        path=(None, {}),
        header_class=None,
        query_class=None,
        body_class=NestedBody,
        takes_forms={},
    )


@pytest.mark.parametrize(
    ("more", "name", "kind", "value"),
    [
        ('"security": {"captcha_token": null}', "security.captcha_token", Fault.MISSING, None),
        ('"security": {}', "security.captcha_token", Fault.MISSING, None),
        ('"security": {"captcha_token": [1]}', "security.captcha_token", Fault.NOT_A_STRING, [1]),
        ('"security": [[null]]', "security", Fault.NOT_A_STRING, [[None]]),
        ('"security": "x"', "security", Fault.WRONG, "x"),
        (
            '"security": {"captcha_token": "a", "captcha_token": "b"}',
            "security.captcha_token",
            Fault.REPEATED,
            "b",
        ),
        (
            '"devices": [{"captcha_token": "a"}, {}]',
            "devices.1.captcha_token",
            Fault.MISSING,
            None,
        ),
        ('"devices": [7]', "devices.0", Fault.NOT_A_STRING, 7),
        ('"devices": {"a": 1}', "devices", Fault.NOT_A_STRING, {"a": 1}),
        ('"tags": ["a", {"b": []}]', "tags.1", Fault.NOT_A_STRING, {"b": []}),
        ('"tags": null', "tags", Fault.MISSING, None),
        ('"notes": {"a": {"b": 1}}', "notes.a", Fault.NOT_A_STRING, {"b": 1}),
    ],
)
def test_nested_refusal(more, name, kind, value):
    """A wrong value below a declared key is INVALID, with its path as the name."""
    found = body_of(f'{{"email": "ann", {more}}}')
    assert found.refusal is Refusal.INVALID
    assert (found.detail.name, found.detail.fault, found.detail.value) == (name, kind, value)
    assert list(found.detail.errors) == [name]
    assert all(type(text) is str for text in found.detail.errors[name])


@pytest.mark.parametrize(
    ("text", "kind", "value", "errors"),
    [
        (
            '{"email": "ann", "email": "", "score": 1, "score": "x"}',
            Fault.REPEATED,
            "",
            {
                "email": ["This field was given more than once."],
                "score": ["This field was given more than once."],
            },
        ),
        (
            '{"email": null, "score": "x"}',
            Fault.MISSING,
            None,
            {"email": ["This field may not be null."], "score": ["A valid number is required."]},
        ),
    ],
)
def test_several_refusals(text, kind, value, errors):
    """The refusal is that of the first key, and each key has the text of its first error."""
    found = body_of(text)
    assert (found.detail.name, found.detail.fault, found.detail.value) == ("email", kind, value)
    assert found.detail.errors == errors


@pytest.mark.filterwarnings("ignore:The list-based error format")
def test_nested_refusal_in_a_list_of_errors(settings):
    """This also works if DRF reports errors of a list's items in a list (before 3.18)."""
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "LIST_SERIALIZER_ERRORS_AS_DICT": False}
    found = body_of('{"email": "ann", "devices": [{"captcha_token": "a"}, {}]}')
    assert (found.detail.name, found.detail.fault) == ("devices.1.captcha_token", Fault.MISSING)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
def test_depth(opening, closing):
    """Lists and objects may have 16 levels."""
    body = '{{"email": "ann", "x": {}1{}}}'
    assert body_of(body.format(opening * 15, closing * 15)).values == {"identity": "ann"}
    found = body_of(body.format(opening * 16, closing * 16))
    assert (found.refusal, found.detail.reason) == (Refusal.MALFORMED, "Nested too deeply")


def test_an_empty_form():
    """An empty body is not read as a form, so it needs no boundary; its fields are missing."""
    found = read(
        RequestFactory().post("/", b"", content_type=MULTIPART, CONTENT_TYPE=MULTIPART),
        path=(None, {}),
        header_class=None,
        query_class=None,
        body_class=NestedBody,
        takes_forms={MULTIPART: True},
    )
    assert (found.refusal, found.detail.name) == (Refusal.INVALID, "email")


@pytest.mark.parametrize("number", ["1" * 400, "-" + "1" * 400, "1e999"])
def test_a_number_beyond_a_double(number):
    """A number that is too large for a double is MALFORMED."""
    assert body_of(f'{{"email": "ann", "score": {number}}}').refusal is Refusal.MALFORMED


class QueryInputs(serializers.Serializer[Any]):
    """An identity in the query."""

    email = IdentityField(source="identity")


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_query(factory, settings):
    """A query is read as UTF-8, encoded or not, over WSGI and ASGI."""
    settings.DEFAULT_CHARSET = "latin-1"
    for typed in ("żółw@example.com", "%C5%BC%C3%B3%C5%82w@example.com"):
        found = read(
            factory().post(f"/?email={typed}"),
            path=(None, {}),
            header_class=None,
            query_class=QueryInputs,
            body_class=None,
            takes_forms={},
        )
        assert found.values == {"identity": "żółw@example.com"}


def posted(**environ: Any) -> HttpRequest:
    """Return a POST over WSGI with this environment."""
    return RequestFactory().post("/", b"{}", content_type="application/json", **environ)


def test_a_length_that_is_not_a_number():
    """With an invalid Content-Length the body is empty, as in Django."""
    assert raw(posted(CONTENT_LENGTH="two")) == b""


def test_a_body_that_middleware_has_read():
    """The host's middleware may read the body first, and the stream as well."""
    request = posted()
    assert (request.body, request.read()) == (b"{}", b"{}")
    assert raw(request) == b"{}"


class Failing:
    """A body that fails when it is read."""

    readline = None

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, *_: int) -> bytes:
        raise self.error


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}


@pytest.mark.parametrize("environ", [{}, CHUNKED], ids=["with a length", "chunked"])
def test_a_client_that_is_gone(environ):
    """If the client disconnects, the body is empty."""
    assert raw(posted(**environ, **{"wsgi.input": Failing(OSError("gone"))})) == b""


def test_a_server_that_fails():
    """Another error while Django reads the body is raised."""
    with pytest.raises(RuntimeError, match="broken"):
        raw(posted(**{"wsgi.input": Failing(RuntimeError("broken"))}))

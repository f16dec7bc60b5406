"""The vendors' confirm calls."""

import json

import pytest
from django.core import mail
from rest_framework import serializers

from resend_confirmation import clients, engine, start, withdraw
from resend_confirmation.dialects.base import ConfirmView, IdentityField, TokenField, VendorView
from resend_confirmation.dialects.quiva import QuivaConfirm
from resend_confirmation.dialects.strapi import StrapiConfirm, StrapiV4Confirm
from resend_confirmation.models import Confirmation
from resend_confirmation.outcomes import ConfirmationState, Refusal, Verdict
from tests.factories import UserFactory

from .cases import token_of

pytestmark = pytest.mark.django_db

CALLS: list[type[VendorView]] = [QuivaConfirm, StrapiConfirm, StrapiV4Confirm]
MET = {
    Refusal.INVALID,
    Refusal.MALFORMED,
    Refusal.TOO_LARGE,
    Refusal.THROTTLED,
    Refusal.WRONG_METHOD,
    Refusal.FAILED,
}


@pytest.fixture
def ann(db, clock):
    """An account with the address ann@example.com that got a link."""
    user = UserFactory.create(username="ann", email="ann@example.com")
    start(user)
    engine.drain()
    return user


@pytest.fixture
def token(ann):
    """The token of that link."""
    return token_of(mail.outbox[0])


def state():
    return Confirmation.objects.get().state


def expire(ann, clock):
    clock.epoch += 25 * 3600


def kill(ann, clock):
    withdraw(Confirmation.objects.get(account=ann))


@pytest.mark.parametrize("call", CALLS)
def test_every_verdict_has_a_row(call):
    """Each call has an answer to every verdict, and to each refusal that can occur."""
    keys = {key for key in call.answers if not isinstance(key, tuple)}
    assert keys == set(Verdict) | MET


# quiva


def confirm(client, body):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return client.post("/accounts/confirm-email", body, content_type="application/json")


def test_quiva_confirms(client, ann, token):
    """The link's token confirms, and the answer has the account and its address."""
    response = confirm(client, {"token": token})
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    key = str(ann.pk)
    assert (
        response.content
        == (
            f'{{"data":{{"account":"ann","email":"ann@example.com","account_id":"{key}",'
            f'"user_id":"{key}"}}}}'
        ).encode()
    )
    assert state() == ConfirmationState.CONFIRMED
    assert not response.cookies


def test_quiva_twice(client, token):
    """A second call with the same token gets the same answer."""
    first, second = (confirm(client, {"token": token}) for _ in range(2))
    assert (second.status_code, second.content) == (200, first.content)


@pytest.mark.parametrize("undo", [expire, kill])
def test_quiva_a_link_that_is_over(client, ann, token, clock, undo):
    """The token of an expired or dead link is invalid."""
    undo(ann, clock)
    before = state()
    response = confirm(client, {"token": token})
    assert (response.status_code, response.content) == (400, b'{"error":"Invalid token"}')
    assert state() == before != ConfirmationState.CONFIRMED


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({"token": "x" * 43}, 400, b'{"error":"Invalid token"}'),
        ({"token": "x"}, 400, b'{"error":"Invalid token"}'),
        ({"token": "x" * 4000}, 400, b'{"error":"Invalid token"}'),
        ({"token": 7}, 400, b'{"error":"Invalid token"}'),
        ({"token": ["x"]}, 400, b'{"error":"Invalid token"}'),
        ({"token": "a\u0000b"}, 400, b'{"error":"Invalid token"}'),
        ({"token": ""}, 400, b'{"error":"Token is required"}'),
        ({"token": None}, 400, b'{"error":"Token is required"}'),
        ({"code": "123456"}, 400, b'{"error":"Token is required"}'),
        ({}, 400, b'{"error":"Token is required"}'),
        (b"", 400, b'{"error":"Token is required"}'),
        (b'{"token":', 400, b'{"error":"Request body is not valid JSON"}'),
        (b"x" * 20_000, 413, b'{"error":"Request body is too large"}'),
    ],
)
def test_quiva_bad_input(client, token, body, status, answer):
    """Invalid input gets the vendor's error and confirms nothing."""
    response = confirm(client, body)
    assert (response.status_code, response.content) == (status, answer)
    assert state() == ConfirmationState.PENDING


def test_quiva_only_posts(client, token):
    """GET gets the vendor's 405 and changes nothing."""
    response = client.get("/accounts/confirm-email", {"token": token})
    assert (response.status_code, response.content) == (405, b'{"error":"Method not allowed"}')
    assert response["Allow"] == "POST"
    assert state() == ConfirmationState.PENDING


def test_quiva_a_crash(client, token, monkeypatch, caplog):
    """An unexpected error is logged without the token, and changes are rolled back."""

    def crash(*args):
        raise RuntimeError("the host's store")

    monkeypatch.setattr("resend_confirmation.accounts.ConfirmationStore.confirm", crash)
    client.raise_request_exception = False
    response = confirm(client, {"token": token})
    assert response.status_code == 500
    assert response.content == b'{"error":"An unexpected error occurred"}'
    assert "quiva could not answer (RuntimeError)" in caplog.text
    assert token not in caplog.text
    assert state() == ConfirmationState.PENDING


def test_quiva_is_throttled(client, token, change):
    """The throttle applies, which limits guessing of tokens."""
    change(THROTTLE="1/h")
    confirm(client, {"token": "x" * 43})
    response = confirm(client, {"token": token})
    assert response.status_code == 429
    assert json.loads(response.content)["error"] == "Rate limit exceeded"
    assert state() == ConfirmationState.PENDING


def test_the_row_that_is_success():
    """The default row for a success is CONFIRMED."""
    assert ConfirmView.succeeded is Verdict.CONFIRMED


# The token's account


class NamingBody(serializers.Serializer):
    """The inputs of a confirm call with client and account."""

    token = TokenField()
    app = serializers.CharField(source="client")
    user = IdentityField(source="identity")


class NamingConfirm(ConfirmView):
    """A confirm call with client and account."""

    dialect = "naming"
    body_class = NamingBody
    error_class = QuivaConfirm.error_class
    answers = QuivaConfirm.answers

    def find_client(self, request, values):
        """Return the client by its name."""
        return clients.by_name(values["client"])

    def error_body(self, answer, detail):
        """Return quiva's envelope."""
        return {"error": answer.message}


@pytest.fixture
def two_clients(change):
    """Configure two clients; return a token for each combination of account and client."""
    change(CLIENTS=[{"name": "one", "default": True}, {"name": "two"}], LINK_POLICY="reuse")
    tokens = {}
    for name in ("ann", "bob"):
        for client in ("one", "two"):
            email = f"{name}.{client}@example.com"
            start(UserFactory.create(username=f"{name}.{client}", email=email), client=client)
            engine.drain()
            tokens[name, client] = token_of(mail.outbox.pop())
    return tokens


@pytest.mark.parametrize("said", ["{}.{}", "{}.{}@example.com", " {}.{}@EXAMPLE.com "])
def test_a_token_is_its_clients_and_its_accounts(rf, two_clients, said):
    """A call with client and account only accepts a token of both.

    Any other token gets the same answer as a token that was never sent.
    """

    def confirm(token, app, user):
        body = json.dumps({"token": token, "app": app, "user": user})
        response = NamingConfirm.as_view()(rf.post("/", body, content_type="application/json"))
        return response.status_code, response.content

    foreign = confirm("x" * 43, "one", said.format("ann", "one"))
    assert foreign == (400, b'{"error":"Invalid token"}')
    for (name, client), token in two_clients.items():
        for app in ("one", "two", "three"):
            for user in [said.format(*key) for key in two_clients]:
                if (app, user) != (client, said.format(name, client)):
                    assert confirm(token, app, user) == foreign
    assert set(Confirmation.objects.values_list("state", flat=True)) == {"pending"}
    assert confirm(two_clients["bob", "two"], "two", said.format("bob", "two"))[0] == 200


def test_a_token_of_another_client_than_the_default(client, two_clients):
    """A call without a client only accepts tokens of the default client."""
    answer = confirm(client, {"token": two_clients["ann", "two"]})
    assert (answer.status_code, answer.content) == (400, b'{"error":"Invalid token"}')
    assert not Confirmation.objects.exclude(state="pending").exists()
    assert confirm(client, {"token": two_clients["ann", "one"]}).status_code == 200


# Strapi

V3, V4 = "/auth/email-confirmation", "/api/auth/email-confirmation"
V3_INVALID = (
    b'{"code":400,"message":"token.invalid","statusCode":400,"error":"Bad Request"}',
    b'{"code":400,"message":"token.invalid","statusCode":400,"error":"Bad Request"}',
)
V4_INVALID = (
    (
        b'{"data":null,"error":{"status":400,"name":"ValidationError","message":"Invalid token",'
        b'"details":{}}}'
    ),
    (
        b'{"data":null,"error":{"status":400,"name":"ValidationError",'
        b'"message":"confirmation is a required field","details":{"errors":['
        b'{"path":["confirmation"],'
        b'"message":"confirmation is a required field","name":"ValidationError"}]}}}'
    ),
)
generations = pytest.mark.parametrize(
    ("path", "invalid", "missing"), [(V3, *V3_INVALID), (V4, *V4_INVALID)], ids=["v3", "v4"]
)


@generations
@pytest.mark.parametrize("method", ["get", "head"])
def test_strapi_leads_to_our_page(client, token, path, invalid, missing, method):
    """The vendor's link redirects to our page with the button, and confirms nothing."""
    response = getattr(client, method)(path, {"confirmation": token})
    assert (response.status_code, response.content) == (302, b"")
    assert response["Location"] == f"https://site.example/confirm/?token={token}"
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "no-referrer"
    assert state() == ConfirmationState.PENDING


@generations
def test_strapi_a_used_or_expired_link(client, token, clock, path, invalid, missing):
    """The vendor's link redirects to our page even if it is used or expired."""
    clock.epoch += 25 * 3600
    assert client.get(path, {"confirmation": token}).status_code == 302
    clock.epoch -= 25 * 3600
    engine.confirm(token)
    assert client.get(path, {"confirmation": token}).status_code == 302


@generations
def test_strapi_a_dead_link(client, ann, token, path, invalid, missing):
    """After a withdrawal the link's token is invalid."""
    withdraw(Confirmation.objects.get(account=ann))
    response = client.get(path, {"confirmation": token})
    assert (response.status_code, response.content) == (400, invalid)


@generations
def test_strapi_a_token_of_another_client(client, two_clients, path, invalid, missing):
    """A token of another client than the default client is invalid."""
    response = client.get(path, {"confirmation": two_clients["ann", "two"]})
    assert (response.status_code, response.content) == (400, invalid)
    assert client.get(path, {"confirmation": two_clients["ann", "one"]}).status_code == 302


@generations
@pytest.mark.parametrize(
    "query",
    [
        "confirmation=x",
        f"confirmation={'x' * 43}",
        f"confirmation={'x' * 4000}",
        "confirmation=%00",
        "confirmation=a&confirmation=b",
    ],
)
def test_strapi_a_foreign_token(client, token, path, invalid, missing, query):
    """An unknown token gets the vendor's error, which does not repeat it."""
    response = client.get(f"{path}?{query}")
    assert (response.status_code, response.content) == (400, invalid)


@generations
@pytest.mark.parametrize("query", ["", "confirmation=", "token=x"])
def test_strapi_no_token(client, path, invalid, missing, query):
    """Without a token each generation has its own error."""
    response = client.get(f"{path}?{query}")
    assert (response.status_code, response.content) == (400, missing)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (
            V3,
            (
                b'{"code":405,"message":"Method Not Allowed","statusCode":405,'
                b'"error":"Method Not Allowed"}'
            ),
        ),
        (
            V4,
            (
                b'{"data":null,"error":{"status":405,"name":"MethodNotAllowedError",'
                b'"message":"Method Not Allowed","details":{}}}'
            ),
        ),
    ],
)
def test_strapi_only_gets(client, token, path, answer):
    """POST gets the vendor's 405."""
    response = client.post(f"{path}?confirmation={token}")
    assert (response.status_code, response.content) == (405, answer)
    assert response["Allow"] == "GET, HEAD"
    assert state() == ConfirmationState.PENDING


# Targets of links


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("https://app.example/confirm-email", "https://app.example/confirm-email?token="),
        ("https://app.example/?page=confirm", "https://app.example/?page=confirm&token="),
    ],
)
def test_the_clients_confirm_page(settings, page, link):
    """If a client has a page "confirm", links lead there with a valid token."""
    client = {"name": "app", "pages": {"confirm": page}}
    settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | {"CLIENTS": [client]}
    start(UserFactory.create())
    engine.drain()
    (found,) = [word for word in str(mail.outbox[0].body).split() if word.startswith(link)]
    assert engine.confirm(found.removeprefix(link)).verdict is Verdict.CONFIRMED

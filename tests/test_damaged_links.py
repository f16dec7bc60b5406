"""Links that mail programs have damaged."""

import logging
import secrets
import string
from urllib.parse import quote

import pytest
from django.core import mail
from hypothesis import given, settings
from hypothesis import strategies as st

from resend_confirmation import engine, redaction, start, tokens
from resend_confirmation.models import Confirmation
from resend_confirmation.outcomes import ConfirmationState, Verdict

from .conftest import examples

pytestmark = pytest.mark.django_db

ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.fixture
def token(pending):
    """The token of the message to pending@example.com."""
    start(pending)
    engine.drain()
    return str(mail.outbox[0].body).partition("token=")[2][: tokens.LENGTH]


#: The text after the page's path. ``t`` is the token, ``a`` and ``b`` are its two parts.
DAMAGED = [
    "?token={t}.",
    "?token={t}%3E",
    "?token={t}&gt;",
    "?token={t}%26gt%3B",
    "?token={t}%0A",
    "?token={t}%E2%80%8B",
    "?token=%3C{t}%3E",
    "?token={t}%20Regards",
    "?token={t}/",
    "?token={a}%20{b}",
    "?token={a}%0D%0A%3E%20{b}",
    "?token={a}=%0D%0A{b}",
    "?token={a}%2520{b}",
    "?token={a}%C2%AD{b}",
    "?token=3D{t}",
    "?token%3D{t}",
    "?token=%3D{t}",
    "?token=%253D{t}",
    "?utm=x&amp;token={t}",
    "?utm=x&amp;amp;token={t}",
    "?amp;token={t}",
    "?utm=x%26token={t}",
    "?Token={t}",
    "?TOKEN={t}",
    "?token={t}&utm_source=x",
    "?token={t}&amp;utm_source=x",
    "?token=token={t}",
    "?token:{t}",
    "?token&%2361;{t}",
    "?to%20ken={t}",
    "??token={t}",
    "%3Ftoken={t}",
    "%3Ftoken%3D{t}",
    "%20?token={t}",
    "%E2%80%8B?token={t}",
    "%20%0A?token={t}",
    "&token={t}",
    "/?token={t}",
    "//?token={t}",
    "/%3Ftoken={t}",
    "/&token={t}",
]


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_links_open(token, client, damage):
    """A damaged link opens the page, whose form has the correct token."""
    damaged = damage.format(t=token, a=token[:20], b=token[20:])
    response = client.get(f"/confirm/{damaged}")
    assert response.status_code == 200
    assert f'<input type="hidden" name="token" value="{token}">' in response.content.decode()
    assert token not in repr([response.wsgi_request.META, response.wsgi_request])


@settings(max_examples=examples(25))
@given(data=st.data())
def test_any_character_outside_the_alphabet(token, data):
    """Characters that tokens do not contain are ignored, wherever they are inserted."""
    text = list(token)
    for _ in range(data.draw(st.integers(1, 4))):
        junk = data.draw(
            st.text(st.characters(exclude_characters=ALPHABET), min_size=1, max_size=3)
        )
        text.insert(data.draw(st.integers(0, len(text))), junk)
    damaged = "".join(text)
    sent = f"token={quote(damaged, safe='', errors='surrogatepass')}"
    assert engine.inspect(damaged).verdict is Verdict.READY
    assert engine.inspect(sent).verdict is Verdict.READY
    made = logging.LogRecord("", 20, "", 0, f"GET /confirm/?{sent} HTTP/1.1", (), None)
    redaction.AccessLogFilter().filter(made)
    assert made.getMessage() == "GET /confirm/?token=... HTTP/1.1"


@settings(max_examples=examples(25))
@given(data=st.data())
def test_a_random_token_never_opens(token, data):
    """Random and truncated tokens stay foreign."""
    dress = data.draw(st.sampled_from(DAMAGED))
    random = secrets.token_urlsafe(32)
    assert engine.inspect(dress.format(t=random, a=random, b="")).verdict is Verdict.FOREIGN
    assert engine.inspect(f"?token={token[:-1]}.").verdict is Verdict.FOREIGN


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/confirm/", {"token": " T\r\n"}, 303),
        ("/confirm/", {"amp;token": "3DT"}, 303),
        ("/accounts/confirm-email", {"token": "<T>\t"}, 200),
        (
            "/accounts/confirm-email",
            {"token": f"https://site.example/confirm/?{'x' * 300}=&token=T."},
            200,
        ),
    ],
)
def test_damaged_token_is_read_alike_when_posted(token, client, path, body, status):
    """The button's form and a vendor's confirm call accept a damaged token too."""
    body = {name: value.replace("T", token) for name, value in body.items()}
    kind = "application/json" if path.startswith("/accounts") else None
    response = client.post(path, body, **({"content_type": kind} if kind else {}))
    assert response.status_code == status
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED


@pytest.mark.parametrize("query", ["confirmation=%20T.", "x=1&amp;confirmation=3DT"])
def test_vendor_link_redirects_with_the_token_alone(token, client, query):
    """A vendor's link redirects to our page with only the token."""
    response = client.get(f"/auth/email-confirmation?{query.replace('T', token)}")
    assert response["Location"] == f"https://site.example/confirm/?token={token}"


def test_renewal_of_a_damaged_link(token, clock):
    """A damaged token can renew an expired link."""
    clock.move(hours=25)
    assert engine.renew(f" {token}.") is not None

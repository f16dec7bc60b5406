"""dj-rest-auth, which uses django-allauth, with AllauthStore."""

import re

import pytest
from allauth.account.models import EmailAddress

from resend_confirmation.models import Confirmation, Cooldown
from resend_confirmation.outcomes import ConfirmationState

from .howto import shown
from .letters import links
from .test_allauth import PASSWORD

pytestmark = [pytest.mark.database, pytest.mark.django_db]

GIVEN = {
    "username": "jane",
    "email": "jane@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


@pytest.fixture
def sign_up(client):
    """Return a function that registers through the API."""

    def sign_up():
        answer = client.post("/rest/registration/", GIVEN, content_type="application/json")
        assert (answer.status_code, answer.json()) == (201, {"detail": "Verification e-mail sent."})

    return sign_up


def log_in(client):
    """Log in through the API; return the status and whether there is a token."""
    given = {"username": "jane", "password": PASSWORD}
    answer = client.post("/rest/login/", given, content_type="application/json")
    return answer.status_code, "key" in answer.json()


def test_sign_up_there_confirm_here(client, sign_up, ask, arrived, press):
    """An account registered at dj-rest-auth gets our link, and can log in after the click."""
    sign_up()
    arrived()
    assert log_in(client) == (400, False)
    assert ask("jane@example.org") == (200, "sent")
    ((_, body),) = arrived()
    assert press(body) == "Thank you"
    assert log_in(client) == (200, True)


def test_confirm_there(client, sign_up, ask, arrived, press):
    """An address verified with dj-rest-auth's key is confirmed here too."""
    sign_up()
    ((_, allauth_body),) = arrived()
    ask("jane@example.org")
    ((_, body),) = arrived()
    (key,) = re.findall(r"confirm-email/(\S+)/", allauth_body)
    answer = client.post("/rest/registration/verify-email/", {"key": key})
    assert (answer.status_code, answer.json()) == (200, {"detail": "ok"})
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED
    assert ask("jane@example.org") == (400, "already.confirmed")
    assert press(body) == "Already confirmed"


def test_first_message_and_resend(client, sign_up, arrived, press, monkeypatch, settings):
    """With the how-to's adapter sign-up and resend at dj-rest-auth send our message."""
    shown("shop.confirmations", "def send_confirmation(", monkeypatch)
    shown("shop.adapters", "DefaultAccountAdapter", monkeypatch)
    settings.ACCOUNT_ADAPTER = "shop.adapters.Adapter"
    sign_up()
    first = arrived()
    resend = {"email": "jane@example.org"}
    assert client.post("/rest/registration/resend-email/", resend).status_code == 200
    assert arrived() == []
    Cooldown.objects.all().delete()
    client.post("/rest/registration/resend-email/", resend)
    second = arrived()
    assert links(first) == links(second)
    assert press(second[0][1]) == "Thank you"
    assert EmailAddress.objects.get().verified is True

"""djoser, which creates inactive accounts, with FlagStore."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import translation

from resend_confirmation.models import Confirmation, Cooldown
from resend_confirmation.outcomes import ConfirmationState
from resend_confirmation.testing.stores import AccountStoreContract

from .howto import shown
from .letters import links

pytestmark = [pytest.mark.database, pytest.mark.django_db]

User = get_user_model()
PASSWORD = "correct horse battery"


def register(client, username, address):
    given = {"username": username, "email": address, "password": PASSWORD}
    answer = client.post("/djoser/users/", given)
    assert answer.status_code == 201, answer.content
    return User.objects.get(username=username)


def activate(client, body):
    """Use djoser's link and return the status."""
    uid, token = re.findall(r"activate/([^/\s]+)/([^/\s\"<]+)", body)[0]
    return client.post("/djoser/users/activation/", {"uid": uid, "token": token}).status_code


def log_in(client, username="jane"):
    given = {"username": username, "password": PASSWORD}
    return client.post("/djoser/token/login/", given).status_code


class TestContract(AccountStoreContract):
    """Accounts created and activated by djoser's views."""

    @pytest.fixture(autouse=True)
    def site(self, client, arrived):
        self.client, self.arrived = client, arrived

    def make_pending(self, username, address):
        user = register(self.client, username, address)
        self.arrived()
        return user

    def make_confirmed(self, username, address):
        user = register(self.client, username, address)
        ((_, body),) = self.arrived()
        assert activate(self.client, body) == 204
        user.refresh_from_db()
        return user

    def make_without_address(self, username):
        return User.objects.create_user(username, is_active=False)

    def deactivate(self, user):
        """Activate and then deactivate the account, as staff might in the admin."""
        for is_active in (True, False):
            again = User.objects.get(pk=user.pk)
            again.is_active = is_active
            again.save()
        user.refresh_from_db()


def test_imported(client, ask, arrived):
    """An inactive account that was not registered at djoser gets no message."""
    User.objects.create_user("old", "old@example.org", is_active=False)
    assert ask("old@example.org") == (400, "blocked.user")
    assert client.post("/djoser/users/", {}).status_code == 400
    assert arrived() == []


def test_language_of_the_sign_up(client):
    """The account is pending from the sign-up on, with the language of that request."""
    with translation.override("de"):
        register(client, "jane", "jane@example.org")
    row = Confirmation.objects.values("state", "language", "client", "sends").get()
    assert row == {"state": "pending", "language": "de", "client": "", "sends": 0}


def test_sign_up_there_resend_and_confirm_here_log_in_there(client, ask, arrived, press):
    """An account registered at djoser gets our link, and can log in after the click."""
    user = register(client, "jane", "jane@example.org")
    assert user.is_active is False
    assert "activate/" in arrived()[0][1]
    assert log_in(client) == 400
    assert ask("jane@example.org") == (200, "sent")
    ((to, body),) = arrived()
    assert (to, press(body)) == (["jane@example.org"], "Thank you")
    assert log_in(client) == 200
    assert ask("jane@example.org") == (400, "already.confirmed")


def test_confirm_there(client, ask, arrived, press):
    """djoser's link confirms here too: our link and a resend report that."""
    register(client, "jane", "jane@example.org")
    ((_, djoser_body),) = arrived()
    ask("jane@example.org")
    ((_, body),) = arrived()
    assert activate(client, djoser_body) == 204
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED
    assert ask("jane@example.org") == (400, "already.confirmed")
    assert press(body) == "Already confirmed"
    assert log_in(client) == 200


def test_confirm_here_then_there(client, ask, arrived, press):
    """After a confirmation by our link djoser's link is refused."""
    register(client, "jane", "jane@example.org")
    ((_, djoser_body),) = arrived()
    ask("jane@example.org")
    ((_, body),) = arrived()
    press(body)
    assert activate(client, djoser_body) == 403
    assert log_in(client) == 200


@pytest.fixture
def untick(admin_client):
    """Return a function that deactivates an account in the admin."""

    def untick(user):
        user.refresh_from_db()
        given = {
            "username": user.username,
            "email": user.email,
            "date_joined_0": "2026-01-01",
            "date_joined_1": "12:00:00",
        }
        url = reverse("admin:auth_user_change", args=[user.pk])
        assert admin_client.post(url, given).status_code == 302
        user.refresh_from_db()
        assert user.is_active is False

    return untick


@pytest.mark.parametrize("logged_in", [True, False], ids=["used", "never used"])
@pytest.mark.parametrize("asked", [True, False], ids=["asked here", "never asked here"])
def test_deactivated(client, ask, arrived, untick, logged_in, asked):
    """An account activated at djoser and then deactivated by staff stays blocked."""
    user = register(client, "jane", "jane@example.org")
    ((_, djoser_body),) = arrived()
    if asked:
        ask("jane@example.org")
        arrived()
    activate(client, djoser_body)
    if logged_in:
        assert log_in(client) == 200
    untick(user)
    Cooldown.objects.all().delete()
    assert ask("jane@example.org") == (400, "blocked.user")
    assert arrived() == []
    assert log_in(client) == 400


def test_old_link_of_a_deactivated_account(client, ask, arrived, press, untick):
    """Our earlier link does not activate an account that staff deactivated."""
    user = register(client, "jane", "jane@example.org")
    ((_, djoser_body),) = arrived()
    ask("jane@example.org")
    ((_, body),) = arrived()
    activate(client, djoser_body)
    untick(user)
    assert press(body) == "Already confirmed"
    user.refresh_from_db()
    assert user.is_active is False


def test_shared_address(client, ask, arrived, press):
    """Two accounts with the same address get a link one after the other, each for itself."""
    for name in ("one", "two"):
        register(client, name, "shared@example.org")
    arrived()
    assert ask("shared@example.org") == (200, "sent")
    ((_, body),) = arrived()
    assert press(body) == "Thank you"
    assert (log_in(client, "one"), log_in(client, "two")) == (400, 200)
    Cooldown.objects.all().delete()
    assert ask("shared@example.org") == (200, "sent")
    ((_, body),) = arrived()
    assert press(body) == "Thank you"
    assert log_in(client, "one") == 200


def test_first_message_and_resend(client, ask, arrived, press, monkeypatch, settings):
    """With the how-to's e-mail class sign-up and resend at djoser send our message."""
    shown("shop.confirmations", "def send_confirmation(", monkeypatch)
    shown("shop.djoser_mail", "class Activation:", monkeypatch)
    settings.DJOSER = settings.DJOSER | {"EMAIL": {"activation": "shop.djoser_mail.Activation"}}
    register(client, "jane", "jane@example.org")
    first = arrived()
    assert [(to, "activate/" in body) for to, body in first] == [(["jane@example.org"], False)]
    again = {"email": "jane@example.org"}
    assert client.post("/djoser/users/resend_activation/", again).status_code == 204
    assert arrived() == []
    assert ask("jane@example.org")[0] == 429
    Cooldown.objects.all().delete()
    client.post("/djoser/users/resend_activation/", again)
    assert links(arrived()) == links(first)
    assert press(first[0][1]) == "Thank you"
    assert log_in(client) == 200

"""django-registration's activation workflow, with FlagStore."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.urls import path

from resend_confirmation.models import Confirmation, Cooldown
from resend_confirmation.outcomes import ConfirmationState

from .howto import shown
from .urls_flags import urlpatterns as before

pytestmark = [pytest.mark.database, pytest.mark.django_db]

User = get_user_model()
PASSWORD = "correct horse battery"


def register(client, url="/signup/register/"):
    given = {
        "username": "jane",
        "email": "jane@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "tos": "on",
    }
    answer = client.post(url, given)
    assert answer.status_code == 302, answer.content
    return User.objects.get()


def activate(client, body):
    """Use django-registration's link and return the status."""
    key = body.removeprefix("key=").strip()
    return client.post("/signup/activate/", {"activation_key": key}).status_code


def log_in(client):
    status = client.post("/login/", {"username": "jane", "password": PASSWORD}).status_code
    client.cookies.clear()
    return status


def test_sign_up_there_resend_and_confirm_here_log_in_there(client, ask, arrived, press):
    """An account registered there gets our link, and can log in after the click."""
    assert register(client).is_active is False
    ((_, registration_body),) = arrived()
    assert re.match("key=", registration_body)
    assert log_in(client) == 200
    assert ask("jane@example.org") == (200, "sent")
    ((to, body),) = arrived()
    assert (to, press(body)) == (["jane@example.org"], "Thank you")
    assert log_in(client) == 302
    assert ask("jane@example.org") == (400, "already.confirmed")
    assert activate(client, registration_body) == 200


def test_confirm_there(client, ask, arrived, press):
    """django-registration's link confirms here too: our link and a resend report that."""
    register(client)
    ((_, registration_body),) = arrived()
    ask("jane@example.org")
    ((_, body),) = arrived()
    assert activate(client, registration_body) == 302
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED
    assert ask("jane@example.org") == (400, "already.confirmed")
    assert press(body) == "Already confirmed"
    assert log_in(client) == 302


def test_deactivated(client, ask, arrived):
    """An account that was activated there and then deactivated by staff is blocked."""
    register(client)
    ((_, registration_body),) = arrived()
    activate(client, registration_body)
    user = User.objects.get()
    user.is_active = False
    user.save()
    assert ask("jane@example.org") == (400, "blocked.user")
    assert arrived() == []
    assert log_in(client) == 200


def test_first_message(client, ask, arrived, press, monkeypatch, settings):
    """With the how-to's view sign-up sends our message, and starts the cooldown."""
    shown("shop.confirmations", "def send_confirmation(", monkeypatch)
    view = shown("shop.views", "views.RegistrationView", monkeypatch).RegistrationView

    class Site:
        urlpatterns = [
            path("signup/register/", view.as_view(), name="django_registration_register"),
            *before,
        ]

    settings.ROOT_URLCONF = Site
    register(client)
    ((to, body),) = arrived()
    assert (to, "key=" in body) == (["jane@example.org"], False)
    assert ask("jane@example.org")[0] == 429
    Cooldown.objects.all().delete()
    assert ask("jane@example.org") == (200, "sent")
    assert press(body) == "Thank you"
    assert log_in(client) == 302

"""The how-to's adapter, which sends our message instead of allauth's."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model

from resend_confirmation.models import Confirmation, Cooldown, Delivery

from .howto import shown
from .letters import links
from .test_allauth import PASSWORD, log_in, sign_up  # noqa: F401 - fixtures

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def adapter(monkeypatch, settings):
    """Set up the site as in the how-to."""
    shown("shop.confirmations", "def send_confirmation(", monkeypatch)
    shown("shop.adapters", "DefaultAccountAdapter", monkeypatch)
    settings.ACCOUNT_ADAPTER = "shop.adapters.Adapter"


def test_first_message(sign_up, ask, arrived, press, log_in):  # noqa: F811
    """At sign-up only our message is sent, and it starts the cooldown."""
    sign_up("jane", "jane@example.org")
    ((to, first),) = arrived()
    assert (to, "/accounts/" in first) == (["jane@example.org"], False)
    assert ask("jane@example.org")[0] == 429
    Cooldown.objects.all().delete()
    assert ask("jane@example.org") == (200, "sent")
    ((_, second),) = arrived()
    assert press(second) == "Thank you"
    assert press(first) == "Already confirmed"
    assert EmailAddress.objects.get().verified is True
    assert log_in("jane") == "/"


def test_asked_for_again_there(sign_up, arrived, log_in):  # noqa: F811
    """allauth resends at each login of a pending account; our cooldown applies."""
    sign_up("jane", "jane@example.org")
    first = arrived()
    assert len(first) == 1
    assert log_in("jane") == "/accounts/confirm-email/"
    assert arrived() == []
    Cooldown.objects.all().delete()
    log_in("jane")
    assert links(arrived()) == links(first)
    assert Delivery.objects.count() == 2


def test_second_address(sign_up, client, arrived, press, log_in):  # noqa: F811
    """An address added on allauth's page gets our message in the page's language."""
    sign_up("jane", "jane@example.org")
    ((_, body),) = arrived()
    press(body)
    client.force_login(
        get_user_model().objects.get(), backend="django.contrib.auth.backends.ModelBackend"
    )
    given = {"action_add": "", "email": "second@example.org"}
    answer = client.post("/accounts/email/", given, headers={"accept-language": "de"})
    assert answer.status_code == 302
    client.cookies.clear()
    ((to, body),) = arrived()
    assert to == ["second@example.org"]
    assert body.startswith("Sie erhalten diese Nachricht, weil diese Adresse bei ")
    assert press(body) == "Vielen Dank"
    assert EmailAddress.objects.get(email="second@example.org").verified is True
    assert Confirmation.objects.count() == 2


def test_taken_address(sign_up, client, arrived):  # noqa: F811
    """A sign-up with the address of an existing account gets allauth's notice, not our message."""
    user = get_user_model().objects.create_user("owner", "jane@example.org", PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    given = {
        "username": "other",
        "email": "jane@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    assert client.post("/accounts/signup/", given).status_code == 302
    ((to, body),) = arrived()
    assert (to, "/confirm/?" in body) == (["jane@example.org"], False)
    assert not Confirmation.objects.exists()

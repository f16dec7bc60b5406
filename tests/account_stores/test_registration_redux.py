"""django-registration-redux, whose profiles store which activation keys were used."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.utils import timezone
from registration.models import RegistrationProfile

from resend_confirmation import engine, start, withdraw
from resend_confirmation.models import Confirmation

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

User = get_user_model()


@pytest.fixture
def redux_link(client, arrived):
    """Register jane@example.org and return the path of the package's link."""
    password = "correct horse battery"
    given = {
        "username": "jane",
        "email": "jane@example.org",
        "password1": password,
        "password2": password,
    }
    answer = client.post("/signup/register/", given)
    assert answer.status_code == 302, answer.content
    ((to, body),) = arrived()
    (link,) = re.findall(r"/signup/activate/\w+/", body)
    assert (to, User.objects.get().is_active) == (["jane@example.org"], False)
    return link


def confirmed_by_our_link(ask, arrived, press):
    assert ask("jane@example.org") == (200, "sent")
    ((_, body),) = arrived()
    assert press(body) == "Thank you"


def confirmed_by_hand(ask, arrived, press):
    assert engine.confirm_by_hand(start(User.objects.get(), send=False))


def activated_by_staff(ask, arrived, press):
    user, _ = User.objects.get(), start(User.objects.get(), send=False)
    user.is_active = True
    user.save()
    assert Confirmation.objects.get().state == "confirmed"


WAYS = [confirmed_by_our_link, confirmed_by_hand, activated_by_staff]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def deactivated(request, redux_link, ask, arrived, press):
    """An account that was confirmed in one of three ways and then deactivated by staff."""
    request.param(ask, arrived, press)
    user = User.objects.get()
    assert user.is_active
    user.is_active = False
    user.save()
    return user


def test_its_link_does_not_reactivate_a_confirmed_account(deactivated, redux_link, client):
    """A confirmation here invalidates the package's link."""
    client.get(redux_link)
    deactivated.refresh_from_db()
    assert not deactivated.is_active


def test_its_clean_up_keeps_confirmed_accounts(deactivated):
    """``cleanupregistration`` does not delete an account that was confirmed here."""
    User.objects.update(date_joined=timezone.now() - timedelta(days=30))
    call_command("cleanupregistration")
    assert User.objects.filter(pk=deactivated.pk).exists()


def test_its_link_still_works(redux_link, client, ask):
    """The package's link activates and confirms a pending account."""
    client.get(redux_link)
    assert User.objects.get().is_active
    assert RegistrationProfile.objects.get().activated
    assert ask("jane@example.org") == (400, "already.confirmed")


def test_its_resend_makes_no_account_pending_again(redux_link, ask):
    """A withdrawn confirmation stays withdrawn if the package resends its message."""
    withdraw(Confirmation.objects.get())
    RegistrationProfile.objects.resend_activation_mail("jane@example.org", None)
    assert ask("jane@example.org") == (400, "blocked.user")

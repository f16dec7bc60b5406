"""The how-to's sign-up views: plain Django and Django REST framework."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import IntegrityError
from django.forms import modelform_factory
from django.test import override_settings
from django.urls import path, reverse

from resend_confirmation import start, withdraw
from resend_confirmation.admin import actions
from resend_confirmation.database import Statement
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import ConfirmationState
from tests.urls import urlpatterns as site_urls

from .howto import shown
from .letters import links

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

User = get_user_model()
GIVEN = {"username": "jane", "email": "jane@example.org"}
PASSWORD = "correct horse battery"


class Site:
    """The test site's URLs and a view of the how-to."""

    def __init__(self, view):
        self.urlpatterns = [*site_urls, path("sign-up/", view.as_view())]


@pytest.fixture(params=["views", "rest"])
def sign_up(request, client, monkeypatch):
    """Return a function that signs up with one of the views and returns the status."""
    words = {"views": "class SignUp(CreateView)", "rest": "class SignUpAPI"}[request.param]
    module = shown("shop.sign_up", words, monkeypatch)
    view = module.SignUp if request.param == "views" else module.SignUpAPI
    if request.param == "views":
        view.template_name = "admin/base.html"
    passwords = ["password1", "password2"] if request.param == "views" else ["password"]

    def sign_up(language="en", **more):
        given = {**GIVEN, **dict.fromkeys(passwords, PASSWORD), **more}
        with override_settings(ROOT_URLCONF=Site(view), LANGUAGE_CODE=language):
            return client.post("/sign-up/", given).status_code

    return sign_up


def test_first_and_further_messages(sign_up, change, ask, arrived, press):
    """The first message and a resend share the cooldown, and either link confirms."""
    change(CLIENTS=[{"name": "site"}])
    assert sign_up() in {201, 302}
    first = arrived()
    assert [to for to, _ in first] == [["jane@example.org"]]
    assert ask("jane@example.org") == (
        429,
        "Too many attempts, please try again in a minute.",
    )
    Cooldown.objects.all().delete()
    assert ask("jane@example.org") == (200, "sent")
    second = arrived()
    assert press(second[0][1]) == "Thank you"
    assert press(first[0][1]) == "Already confirmed"
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED
    assert Delivery.objects.count() == 2
    assert User.objects.get().has_usable_password()


def test_same_link(sign_up, change, arrived):
    """A resend with the same redirect as the first message repeats its link."""
    change(CLIENTS=[{"name": "site"}])
    sign_up()
    first = arrived()
    Cooldown.objects.all().delete()
    call_command("resend_confirmation", "send", "jane@example.org")
    assert links(arrived()) == links(first)


def test_newest_link(sign_up, change, ask, arrived, press):
    """With the policy ``newest`` a resend invalidates the link of the first message."""
    change(CLIENTS=[{"name": "site"}], LINK_POLICY="newest")
    sign_up()
    first = arrived()
    Cooldown.objects.all().delete()
    ask("jane@example.org")
    second = arrived()
    assert press(first[0][1]) == "This link is not valid"
    assert press(second[0][1]) == "Thank you"


def test_language(sign_up, change, arrived):
    """The message is in the language of the sign-up page."""
    change(CLIENTS=[{"name": "site"}])
    sign_up(language="de")
    assert Confirmation.objects.get().language == "de"
    ((_, body),) = arrived()
    assert body.startswith("Sie erhalten diese Nachricht, weil diese Adresse bei ")


def test_rolled_back(sign_up, monkeypatch, client, arrived):
    """A failed sign-up creates no account and sends no message."""

    def fail(*_, **__):
        raise IntegrityError

    monkeypatch.setattr(Statement, "insert", fail)
    with pytest.raises(IntegrityError):
        sign_up()
    monkeypatch.undo()
    assert not User.objects.exists()
    assert arrived() == []


def test_no_address(sign_up, arrived):
    """An address that Django accepts, but that mail cannot be sent to, is refused."""
    assert sign_up(email="=?utf-8?q?jane?=@example.org") in {200, 400}
    assert not User.objects.exists()


@pytest.fixture(params=["form", "admin"])
def profile(request, admin_client):
    """Return a function that changes an address in a form or in the admin."""

    def by_form(user, address):
        form = modelform_factory(User, fields=["email"])({"email": address}, instance=user)
        form.save()

    def by_admin(user, address):
        given = {
            "username": user.username,
            "email": address,
            "is_active": "on",
            "date_joined_0": "2026-01-01",
            "date_joined_1": "12:00:00",
        }
        url = reverse("admin:auth_user_change", args=[user.pk])
        assert admin_client.post(url, given).status_code == 302
        user.refresh_from_db()

    return by_form if request.param == "form" else by_admin


def test_address_changed_before_the_first_click(change, arrived, press, monkeypatch, profile, ask):
    """After a change of address the account is pending, and the resend goes to the new one."""
    change(CLIENTS=[{"name": "site"}])
    is_waiting = shown("shop.waiting", "def is_waiting", monkeypatch).is_waiting
    user = User.objects.create_user("jane", "jane@example.org")
    assert not is_waiting(user)
    start(user, language="de")
    assert is_waiting(user)
    ((_, first),) = arrived()
    profile(user, "jane@example.com")
    assert is_waiting(user)
    assert ask("jane@example.com") == (200, "sent")
    ((to, second),) = arrived()
    assert to == ["jane@example.com"]
    assert press(first) == "Dieser Link ist ungültig"
    assert is_waiting(user)
    press(second)
    assert not is_waiting(user)
    states = Confirmation.objects.values_list("address", "state", "client", "language")
    assert set(states) == {
        ("jane@example.org", "pending", "site", "de"),
        ("jane@example.com", "confirmed", "site", "de"),
    }


def test_address_changed_after_a_withdrawal(change, arrived, monkeypatch, profile, ask):
    """A change of address does not undo a withdrawal."""
    change(CLIENTS=[{"name": "site"}])
    user = User.objects.create_user("jane", "jane@example.org")
    withdraw(start(user, send=False))
    profile(user, "jane@example.com")
    assert ask("jane@example.com") == (400, "blocked.user")
    call_command("resend_confirmation", "send", "--pending", verbosity=0)
    assert arrived() == []


def test_admin_and_bulk_after_a_change_of_address(change, arrived, profile):
    """Resends in the admin and in bulk go to the account's current address."""
    change(CLIENTS=[{"name": "site"}])
    user = User.objects.create_user("jane", "jane@example.org")
    confirmation = start(user, send=False)
    profile(user, "jane@example.com")
    assert actions.confirm(confirmation) is actions.Done.NOT_PENDING
    assert actions.resend(confirmation) is actions.Done.YES
    assert [to for to, _ in arrived()] == [["jane@example.com"]]
    profile(user, "jane@example.net")
    call_command("resend_confirmation", "send", "--pending", "--newer-than", "1h", verbosity=0)
    assert [to for to, _ in arrived()] == [["jane@example.net"]]


def test_account_without_an_address_is_not_pending(monkeypatch):
    """The how-to's ``is_waiting`` is false for an account without an address."""
    is_waiting = shown("shop.waiting", "def is_waiting", monkeypatch).is_waiting
    assert not is_waiting(User.objects.create_user("john"))

"""Pending accounts that the host confirms or deactivates."""

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core import serializers
from django.core.checks import run_checks
from django.db import DatabaseError
from django.db.models.signals import post_save, pre_save
from django.test.utils import isolate_apps

from resend_confirmation import engine, start, withdraw
from resend_confirmation.accounts import ConfirmationStore
from resend_confirmation.engine import host_changes
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.models import Confirmation
from resend_confirmation.outcomes import ConfirmationState, Standing
from resend_confirmation.signals import confirmed
from tests.factories import PendingFactory, UserFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

User = get_user_model()


@pytest.fixture
def flags(change):
    """Use FlagStore: ``is_active=False`` means unconfirmed."""
    change(ACCOUNTS="resend_confirmation.accounts.FlagStore")


@pytest.fixture
def heard():
    """The confirmations that were sent with the signal ``confirmed``."""
    told = []

    def listen(confirmation, user, **_):
        told.append((confirmation.address, confirmation.state, user.username))

    confirmed.connect(listen)
    yield told
    confirmed.disconnect(listen)


def test_note_confirmed(pending, heard):
    """``note_confirmed`` confirms once and sends one signal."""
    assert engine.note_confirmed(pending, "PENDING@example.com") is True
    assert engine.note_confirmed(pending, "pending@example.com") is False
    assert heard == [("pending@example.com", "confirmed", "pending")]
    confirmation = Confirmation.objects.get()
    assert confirmation.state == ConfirmationState.CONFIRMED
    assert confirmation.confirmed_at is not None


@pytest.mark.parametrize("address", ["other@example.com", "", "no address"])
def test_note_confirmed_of_nothing(pending, heard, address):
    """Without a pending confirmation of the address nothing happens."""
    assert engine.note_confirmed(pending, address) is False
    assert (heard, Confirmation.objects.get().state) == ([], ConfirmationState.PENDING)


def test_note_confirmed_is_undone(pending):
    """An error in a receiver undoes the confirmation."""

    def refuse(**_):
        raise DatabaseError("no")

    confirmed.connect(refuse)
    try:
        with pytest.raises(DatabaseError):
            engine.note_confirmed(pending, pending.email)
    finally:
        confirmed.disconnect(refuse)
    assert Confirmation.objects.get().state == ConfirmationState.PENDING


def test_note_deactivated(flags):
    """If there was no confirmation, a withdrawn one is created, which blocks the account."""
    user = UserFactory.create(username="gone", is_active=False)
    engine.note_deactivated(user, user.email)
    (account,) = find_accounts("gone")
    assert account.standing is Standing.BLOCKED
    assert Confirmation.objects.get().state == ConfirmationState.WITHDRAWN


def test_note_deactivated_keeps_an_existing_row(pending):
    """A row that is confirmed stays unchanged."""
    engine.note_confirmed(pending, pending.email)
    before = Confirmation.objects.values().get()
    engine.note_deactivated(pending, pending.email)
    assert Confirmation.objects.values().get() == before


def save(pk, **values):
    """Load, change and save an account, as another request would."""
    user = User.objects.get(pk=pk)
    for name, value in values.items():
        setattr(user, name, value)
    user.save()


def test_activated(flags, heard):
    """Activation by the host confirms the account; later deactivation blocks it."""
    user = UserFactory.create(username="jane", is_active=False)
    start(user, send=False)
    save(user.pk, is_active=True)
    assert heard == [("jane@example.com", "confirmed", "jane")]
    save(user.pk, is_active=False)
    (account,) = find_accounts("jane")
    assert account.standing is Standing.BLOCKED


def test_deactivated_without_a_trace(flags):
    """Deactivation also blocks an account that never logged in and has no row."""
    user = UserFactory.create(username="jane")
    save(user.pk, is_active=False)
    (account,) = find_accounts("jane")
    assert account.standing is Standing.BLOCKED


def test_saved_while_waiting(flags):
    """Saving a pending account does not change its standing."""
    user = PendingFactory.create(username="jane", is_active=False)
    save(user.pk, first_name="Jane")
    (account,) = find_accounts("jane")
    assert account.standing is Standing.PENDING


def test_deactivated_with_another_address(flags):
    """A save that deactivates the account and changes its address blocks both addresses."""
    user = UserFactory.create(username="jane", email="jane@example.com")
    save(user.pk, is_active=False, email="deleted@example.com")
    for identity in ("jane", "deleted@example.com"):
        (account,) = find_accounts(identity)
        assert account.standing is Standing.BLOCKED
    assert set(Confirmation.objects.values_list("address", "state")) == {
        ("jane@example.com", "withdrawn"),
        ("deleted@example.com", "withdrawn"),
    }


@pytest.mark.parametrize("update_fields", [None, ["email"]])
def test_another_address_after_deactivation(flags, update_fields):
    """A blocked account stays blocked under another address."""
    user = UserFactory.create(username="jane", email="jane@example.com")
    save(user.pk, is_active=False)
    user = User.objects.get(pk=user.pk)
    user.email = "other@example.com"
    user.save(update_fields=update_fields)
    (account,) = find_accounts("other@example.com")
    assert account.standing is Standing.BLOCKED


@pytest.mark.parametrize("update_fields", [None, ["email"]])
def test_another_address_while_waiting(flags, update_fields):
    """A pending account stays pending under another address."""
    user = PendingFactory.create(username="jane", is_active=False)
    user = User.objects.get(pk=user.pk)
    user.email = "other@example.com"
    user.save(update_fields=update_fields)
    (account,) = find_accounts("other@example.com")
    assert account.standing is Standing.PENDING
    assert Confirmation.objects.get().address == "jane@example.com"


def test_another_address_saved_before_the_deactivation(flags):
    """Only written fields count: the account is not deactivated if only the address is saved."""
    user = UserFactory.create(username="jane", email="jane@example.com")
    user = User.objects.get(pk=user.pk)
    user.is_active, user.email = False, "other@example.com"
    user.save(update_fields=["email"])
    assert not Confirmation.objects.exists()
    assert User.objects.get().is_active is True


def test_saved_while_active(flags, heard):
    """Saving an active account does not confirm its new address."""
    user = UserFactory.create(username="eve")
    save(user.pk, email="bob@example.org")
    confirmation = start(User.objects.get(pk=user.pk), send=False)
    save(user.pk, first_name="Eve")
    save(user.pk, is_active=True)
    confirmation.refresh_from_db()
    assert (heard, confirmation.state) == ([], ConfirmationState.PENDING)


@pytest.mark.parametrize("update_fields", [None, ["email", "is_active"]])
def test_activated_with_another_address(flags, heard, update_fields):
    """A save that activates the account and changes its address confirms neither address."""
    user = UserFactory.create(username="eve", is_active=False)
    start(user, send=False)
    user = User.objects.get(pk=user.pk)
    user.is_active, user.email = True, "bob@example.org"
    user.save(update_fields=update_fields)
    assert (heard, Confirmation.objects.get().state) == ([], ConfirmationState.PENDING)


@isolate_apps("django.contrib.auth")
def test_through_a_proxy(flags, heard):
    """A save through a proxy of the user model counts too."""

    class Player(User):  # type: ignore[valid-type, misc]
        class Meta:
            proxy = True
            app_label = "auth"

    user = UserFactory.create(username="jane", is_active=False)
    start(user, send=False)
    player = Player.objects.get(username="jane")
    player.is_active = True
    player.save()
    assert heard == [("jane@example.com", "confirmed", "jane")]
    Confirmation.objects.all().delete()
    player = Player.objects.get(username="jane")
    player.is_active = False
    player.save()
    (account,) = find_accounts("jane")
    assert account.standing is Standing.BLOCKED


def test_sign_up_in_two_saves(flags):
    """A sign-up that first saves an active user and then deactivates it leaves it pending."""
    user = User.objects.create_user("jane", "jane@example.com")
    start(user, send=False)
    user.is_active = False
    user.save(update_fields=["is_active"])
    (account,) = find_accounts("jane")
    assert account.standing is Standing.PENDING


def test_deactivated_later_on_the_same_object(flags):
    """Only the second save may belong to the sign-up; a later one deactivates."""
    user = User.objects.create_user("jane", "jane@example.com")
    user.first_name = "Jane"
    user.save()
    user.is_active = False
    user.save()
    (account,) = find_accounts("jane")
    assert account.standing is Standing.BLOCKED


def test_withdrawn_stays_withdrawn(flags):
    """Activating the account does not undo a withdrawal by staff."""
    user = UserFactory.create(is_active=False)
    withdraw(start(user, send=False))
    save(user.pk, is_active=True)
    assert Confirmation.objects.get().state == ConfirmationState.WITHDRAWN


def test_fixtures(flags):
    """Loading a fixture creates no confirmation, since its rows may come in any order."""
    user = UserFactory.create(username="jane")
    user.is_active = False
    (loaded,) = serializers.deserialize("json", serializers.serialize("json", [user]))
    loaded.save()
    assert User.objects.get().is_active is False
    assert not Confirmation.objects.exists()


@pytest.mark.parametrize(
    ("fields", "update_fields", "statements"),
    [
        ({}, ["first_name"], 1),
        ({}, ["last_login"], 1),
        ({"is_active": False}, ["first_name"], 1),
        ({}, ["email"], 1),
        # One more to read the former ``is_active``.
        ({"is_active": False}, ["is_active"], 2),
        ({}, ["is_active"], 2),
        # One more to read whether the account was blocked, since the address changes.
        ({"is_active": False}, ["email"], 2),
    ],
)
def test_statements(flags, django_assert_num_queries, fields, update_fields, statements):
    """Saving an account runs no further query unless ``is_active`` or a blocked address changes."""
    user = UserFactory.create(**fields)
    user = User.objects.get(pk=user.pk)
    with django_assert_num_queries(statements):
        user.save(update_fields=update_fields)


def test_other_stores(pending, django_assert_num_queries):
    """With another store saving an account runs no further query and changes no confirmation."""
    with django_assert_num_queries(1):
        save_as_is = User.objects.get(pk=pending.pk)
    with django_assert_num_queries(1):
        save_as_is.save(update_fields=["is_active"])
    save(pending.pk, is_active=False)
    assert Confirmation.objects.get().state == ConfirmationState.PENDING


def receivers(model):
    """Return the names of the package's receivers for saves of ``model``."""
    found = {
        function.__qualname__
        for signal in (pre_save, post_save)
        for function in signal._live_receivers(model)[0]
        if function.__module__.startswith("resend_confirmation.engine")
    }
    return sorted(found)


@isolate_apps("django.contrib.auth")
def test_receivers_of_saves(change, monkeypatch):
    """Saves of users and their proxies are watched if the store requires it, others never."""

    class Proxy(User):  # type: ignore[valid-type, misc]
        class Meta:
            proxy = True
            app_label = "auth"

    monkeypatch.setattr(apps, "get_models", lambda: [User, Proxy, Group])
    assert [receivers(model) for model in (User, Proxy, Group)] == [[], [], []]
    change(ACCOUNTS="resend_confirmation.accounts.FlagStore")
    both = ["after_save", "before_save"]
    assert [receivers(model) for model in (User, Proxy, Group)] == [both, both, []]
    change(ACCOUNTS="resend_confirmation.accounts.ConfirmationStore")
    assert receivers(User) == []


@isolate_apps("django.contrib.auth")
def test_receivers_of_models_that_are_defined_later(change):
    """A proxy of the user model that is defined later is watched too."""
    change(ACCOUNTS="resend_confirmation.accounts.FlagStore")

    class Later(User):  # type: ignore[valid-type, misc]
        class Meta:
            proxy = True
            app_label = "auth"

    assert receivers(Later) == ["after_save", "before_save"]


def test_store_that_cannot_be_made(change):
    """If the store cannot be imported, nothing is watched and a check reports it."""
    change(ACCOUNTS="shop.stores.Missing")
    assert receivers(User) == []
    assert "resend_confirmation.E007" in {error.id for error in run_checks()}


def test_blocked_with_a_pending_row_of_old():
    """With the default store an inactive account is blocked, even if its row is pending."""
    user = PendingFactory.create(username="jane")
    save(user.pk, is_active=False)
    (account,) = find_accounts("jane")
    assert account.standing is Standing.BLOCKED


def test_sign_up_of_nothing(flags):
    """An account that is active, or has no address, is not made pending at its sign-up."""
    for user in (UserFactory.create(), UserFactory.create(is_active=False, email="")):
        host_changes.after_sign_up(sender=None, user=user)
    assert not Confirmation.objects.exists()
    user = UserFactory.create(username="jane", is_active=False)
    host_changes.after_sign_up(sender=None, user=user)
    assert Confirmation.objects.get().address == "jane@example.com"


def test_note_confirmed_of_a_former_address(pending, heard):
    """An address that the account no longer has is not confirmed."""
    User.objects.update(email="new@example.com")
    assert engine.note_confirmed(pending, "pending@example.com") is False
    assert (heard, Confirmation.objects.get().state) == ([], ConfirmationState.PENDING)


def test_note_confirmed_too_late(pending, heard, monkeypatch):
    """A confirmation that is withdrawn before the account is locked stays withdrawn."""
    lock = ConfirmationStore.lock

    def withdraw_first(self, pk):
        withdraw(Confirmation.objects.get())
        return lock(self, pk)

    monkeypatch.setattr(ConfirmationStore, "lock", withdraw_first)
    assert engine.note_confirmed(pending, "pending@example.com") is False
    assert (heard, Confirmation.objects.get().state) == ([], ConfirmationState.WITHDRAWN)


def test_deactivated_without_an_address(flags):
    """Deactivating an account without an address creates no confirmation."""
    user = UserFactory.create(email="")
    save(user.pk, is_active=False)
    assert not Confirmation.objects.exists()


def test_saved_after_it_was_deleted(flags):
    """A save that recreates a deleted account counts as a sign-up, not as a deactivation."""
    user = User.objects.get(pk=UserFactory.create().pk)
    User.objects.all().delete()
    user.is_active = False
    user.save()
    assert not Confirmation.objects.exists()

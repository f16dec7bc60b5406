"""The contract of account stores, for the stores of this package and for faulty ones."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from resend_confirmation import start
from resend_confirmation.accounts import ConfirmationStore, FlagStore
from resend_confirmation.models import Confirmation, Cooldown
from resend_confirmation.outcomes import ConfirmationState, Standing
from resend_confirmation.testing.stores import AccountStoreContract
from tests.factories import UserFactory

from .howto import STORES, shown

pytestmark = [pytest.mark.database, pytest.mark.django_db]


class TestConfirmationStore(AccountStoreContract):
    """Django's user; the state is that of the confirmation."""

    def make_pending(self, username, address):
        user = UserFactory.create(username=username, email=address)
        start(user, send=False)
        return user

    def make_confirmed(self, username, address):
        user = self.make_pending(username, address)
        Confirmation.objects.filter(account=user).update(state=ConfirmationState.CONFIRMED)
        return user

    def make_without_address(self, username):
        return UserFactory.create(username=username, email="")


class TestFlagStore(AccountStoreContract):
    """Django's user; inactive means unconfirmed."""

    @pytest.fixture(autouse=True)
    def store(self, change):
        change(ACCOUNTS="resend_confirmation.accounts.FlagStore")

    def make_pending(self, username, address):
        user = UserFactory.create(username=username, email=address, is_active=False)
        start(user, send=False)
        return user

    def make_confirmed(self, username, address):
        user = self.make_pending(username, address)
        user.is_active = True
        user.save()
        return user

    def make_without_address(self, username):
        return UserFactory.create(username=username, email="", is_active=False)

    def deactivate(self, user):
        """Activate and then deactivate the account, as staff might in the admin."""
        user.is_active = True
        user.save()
        super().deactivate(user)


RULES = [name for name in dir(AccountStoreContract) if name.startswith("test_")]


@pytest.fixture
def run(change, monkeypatch):
    """Return a function that runs one rule of the contract for a store."""

    def run(rule, store="", make=None):
        if store:
            change(ACCOUNTS=f"{__name__}.{store}")
        getattr((make or TestConfirmationStore)(), rule)()

    return run


@pytest.mark.parametrize("rule", RULES)
def test_store_of_the_how_to(rule, run, change, monkeypatch):
    """The how-to's store passes the contract with the how-to's test class."""
    # Django's user lacks the how-to's field, so another flag is used.
    other = {"email_is_confirmed": "is_staff"}
    shown("shop.stores", "class FieldStore", monkeypatch, page=STORES, instead=other)
    tests = shown("shop.tests", "class TestOurStore", monkeypatch, page=STORES, instead=other)
    change(ACCOUNTS="shop.stores.FieldStore")
    run(rule, make=tests.TestOurStore)


def test_waits_again(change, monkeypatch, arrived, press):
    """If the host's field is reset, the account gets a new link and the old one is dead."""
    other = {"email_is_confirmed": "is_staff"}
    shown("shop.stores", "class FieldStore", monkeypatch, page=STORES, instead=other)
    change(ACCOUNTS="shop.stores.FieldStore", CLIENTS=[{"name": "site"}])
    users = get_user_model().objects
    user = users.create_user("jane", "jane@example.org")
    call_command("resend_confirmation", "send", "jane")
    ((_, first),) = arrived()
    assert press(first) == "Thank you"
    users.update(is_staff=False)
    Cooldown.objects.all().delete()
    call_command("resend_confirmation", "send", "jane")
    ((_, second),) = arrived()
    assert press(first) == "This link is not valid"
    assert press(second) == "Thank you"
    user.refresh_from_db()
    assert user.is_staff is True


class Deaf(ConfirmationStore):
    """Finds no account."""

    def find(self, identity):
        return []


class Chatty(ConfirmationStore):
    """Runs unnecessary queries."""

    def find(self, identity):
        get_user_model().objects.count()
        get_user_model().objects.count()
        return super().find(identity)


class Stale(ConfirmationStore):
    """Returns an account that does not have the address."""

    def get(self, user_id, address):
        return next(iter(self._accounts(self._joined().filter(pk=user_id))), None)


class Forgiving(ConfirmationStore):
    """A store that treats a deactivated account as pending."""

    def standing(self, user, state):
        return Standing.PENDING if state == ConfirmationState.PENDING else Standing.CONFIRMED


class Greedy(ConfirmationStore):
    """Confirms all accounts with the address."""

    def confirm(self, account):
        others = Confirmation.objects.filter(address=account.address)
        return bool(others.update(state=ConfirmationState.CONFIRMED))


class Forgetful(ConfirmationStore):
    """Does not store the confirmation."""

    def confirm(self, account):
        rows = Confirmation.objects.filter(account=account.user)
        return bool(rows.update(state=ConfirmationState.PENDING))


class Generous(ConfirmationStore):
    """Lists all accounts."""

    def pending(self):
        return self._accounts(self._joined().order_by("pk"))


class Reviving(FlagStore):
    """Activates every inactive account."""

    def standing(self, user, state):
        return Standing.CONFIRMED if user.is_active else Standing.PENDING


@pytest.mark.parametrize(
    ("rule", "store"),
    [
        ("test_found_by_address", "Deaf"),
        ("test_found_by_user_name", "Deaf"),
        ("test_several_of_one_address", "Deaf"),
        ("test_found_in_few_statements", "Chatty"),
        ("test_get", "Stale"),
        ("test_deactivated", "Forgiving"),
        ("test_confirm_does_not_revive", "Forgiving"),
        ("test_confirm_one_of_several", "Greedy"),
        ("test_confirm", "Forgetful"),
        ("test_pending", "Generous"),
    ],
)
def test_broken_stores_are_found_out(rule, store, run):
    """A store that breaks a rule fails that rule's test."""
    with pytest.raises((AssertionError, ValueError)):
        run(rule, store)


def test_stores_may_list_accounts_without_an_address(run):
    """The contract allows ``pending`` to list accounts without an address."""
    run("test_without_an_address", "Generous")


class Addressed(TestConfirmationStore):
    """A site on which every account has an address."""

    __test__ = False

    def make_without_address(self, username):
        return None


def test_accounts_that_cannot_be_made(run):
    """The rule for accounts without an address is skipped if the site has none."""
    TestConfirmationStore().make_pending("jane", "jane@example.org")
    run("test_without_an_address", make=Addressed)


@pytest.mark.parametrize("rule", ["test_deactivated", "test_confirm_does_not_revive"])
def test_reviving_store_is_found_out(rule, run):
    """A store that treats every inactive account as pending fails the contract."""
    with pytest.raises(AssertionError):
        run(rule, "Reviving", make=TestFlagStore)

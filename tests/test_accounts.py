"""Accounts: how the two stores find them by identity and determine their standing."""

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User, UserManager
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from resend_confirmation import accounts, addresses, clients, engine, start, withdraw
from resend_confirmation.accounts import ConfirmationStore, FlagStore
from resend_confirmation.engine import ResendRequest
from resend_confirmation.engine.requests import cooldown_key, find_accounts, pending_accounts
from resend_confirmation.models import Confirmation, Cooldown
from resend_confirmation.outcomes import CONCEALED, ConfirmationState, Outcome, Standing

from .factories import PendingFactory, UserFactory, address_of

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def flag_store(settings):
    """Use FlagStore: ``is_active=False`` means unconfirmed."""
    settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | {
        "ACCOUNTS": "resend_confirmation.accounts.FlagStore"
    }
    return FlagStore()


def names(found):
    return [account.username for account in found]


def test_invalid_address():
    """An account with an invalid address has no mailbox."""
    account = accounts.Account(user=None, address="", username="jane", standing=Standing.PENDING)
    assert account.parsed is None
    with pytest.raises(ValueError, match="not an address"):
        _ = account.mailbox


def test_a_user_name_field_of_addresses(monkeypatch):
    """If user names are addresses too, only the e-mail field is compared with an address."""
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "last_name")
    PendingFactory.create(username="x", last_name="bob@example.com", email="eve@example.com")
    assert find_accounts("bob@example.com") == []
    assert [a.address for a in find_accounts("eve@example.com")] == ["eve@example.com"]


@pytest.mark.parametrize("identity", ["pending@example.com", "PENDING@Example.com", "pending"])
def test_found_by_address_and_user_name(pending, identity):
    """An account is found by its address in any case, and by its user name."""
    (account,) = find_accounts(identity)
    assert account.user == pending
    assert account.address == "pending@example.com"
    assert account.username == "pending"
    assert account.standing is Standing.PENDING
    assert account.confirmation_id == Confirmation.objects.get().pk


def test_found_by_number():
    """A numeric user name is an identity like any other."""
    PendingFactory.create(username="7001", email="number@example.com")
    (account,) = find_accounts("7001")
    assert account.address == "number@example.com"


@pytest.mark.parametrize("identity", ["Pending", "PENDING", "pend", "pending ", "pending%", "%"])
def test_user_names_differ_by_case(pending, identity):
    """User names are compared exactly, apart from surrounding whitespace."""
    assert names(find_accounts(identity)) == (["pending"] if identity == "pending " else [])


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("i@example.com", "\u0131@example.com"),
        ("\u0131@example.com", "i@example.com"),
        ("\u00e9@example.com", "e@example.com"),
        ("e@example.com", "\u00e9@example.com"),
        ("x@strasse.de", "x@stra\u00dfe.de"),
        ("a_b@example.com", "axb@example.com"),
        ("jane@example.com", "jane%@example.com"),
    ],
)
def test_neighbours_are_not_found(stored, typed):
    """A value that only a database's collation considers equal matches no account."""
    PendingFactory.create(username="somebody", email=stored)
    assert find_accounts(typed) == []


@pytest.mark.parametrize(
    "identity", ["", " ", "@", "nobody", "nobody@example.com", "\u00ff" * 255, "'; --", "a" * 255]
)
def test_unknown_identity(pending, identity):
    """An unknown identity matches no account, and raises no error."""
    assert find_accounts(identity) == []


def test_accounts_without_an_address(db):
    """An empty identity does not match accounts without an address."""
    UserFactory.create(username="bare", email="")
    assert find_accounts("") == []
    (account,) = find_accounts("bare")
    assert account.address == ""
    assert pending_accounts([account]) == []


def test_several_accounts_of_one_address():
    """Accounts that share an address are all found, in the order they signed up."""
    for name in ("one", "two", "three"):
        PendingFactory.create(username=name, email="shared@example.com")
    assert names(find_accounts("Shared@example.com")) == ["one", "two", "three"]


@pytest.mark.parametrize("store", ["ConfirmationStore", "FlagStore"])
@pytest.mark.parametrize("owner", [None, "pending", "confirmed", "blocked"])
def test_a_user_name_that_reads_like_an_address(change, store, owner):
    """A user name that looks like an address matches no account with that address."""
    change(ACCOUNTS=f"resend_confirmation.accounts.{store}")
    waits = store == "ConfirmationStore"
    PendingFactory.create(username="bob@example.com", email="eve@example.com", is_active=waits)
    if owner:
        user = PendingFactory.create(username="bob", email="bob@example.com", is_active=waits)
        if owner == "confirmed":
            assert engine.confirm_by_hand(Confirmation.objects.get(account=user))
        if owner == "blocked":
            withdraw(Confirmation.objects.get(account=user))
    for typed in ("bob@example.com", "BOB@example.com", " bob\uff20example.com"):
        found = find_accounts(typed)
        assert names(found) == (["bob"] if owner else [])
        assert cooldown_key(addresses.read(typed), found) == "bob@example.com"
    assert names(find_accounts("bob")) == (["bob"] if owner else [])


@pytest.mark.parametrize("owner", [None, "waits", "confirmed"])
@pytest.mark.parametrize("quiet", [CONCEALED, frozenset()], ids=["quiet", "candid"])
def test_a_decoy_gets_no_message(owner, quiet):
    """A sign-up with another person's address as user name reveals nothing about that address."""
    PendingFactory.create(username="bob@example.com", email="eve@example.com")
    if owner:
        factory = PendingFactory if owner == "waits" else UserFactory
        factory.create(username="bob", email="bob@example.com")
    engine.resend(ResendRequest(identity="bob@example.com", client=clients.default(), quiet=quiet))
    while not engine.drain().idle:
        pass
    assert [letter.to for letter in mail.outbox] == [["bob@example.com"]] * (owner == "waits")


def test_statements_of_a_look_up(pending, django_assert_num_queries):
    """An account with a confirmation and its cooldown are found with the first of two queries."""
    start(pending)
    found = ConfirmationStore().find_stepwise(address_of("pending@example.com"))
    with django_assert_num_queries(1):
        (account,) = next(found)
    with django_assert_num_queries(1):
        assert list(found) == [[account]]
    row = Cooldown.objects.get()
    assert account.cooldown is not None
    assert (account.cooldown.last_at, account.cooldown.hour_count) == (row.last_at, 1)


def test_no_cooldown_yet(pending):
    """An account has no cooldown before its first message."""
    (account,) = ConfirmationStore().find("pending")
    assert account.cooldown is None


def test_without_a_confirmation(confirmed):
    """An account without a confirmation counts as confirmed."""
    (account,) = find_accounts("confirmed")
    assert account.standing is Standing.CONFIRMED
    assert account.confirmation_id is None


def test_confirmed(pending):
    """An account with a confirmed confirmation is confirmed."""
    Confirmation.objects.update(state=ConfirmationState.CONFIRMED)
    (account,) = find_accounts("pending")
    assert account.standing is Standing.CONFIRMED


def test_withdrawn(pending):
    """A withdrawn confirmation blocks an active account."""
    assert withdraw(Confirmation.objects.get())
    (account,) = find_accounts("pending")
    assert account.standing is Standing.BLOCKED


def test_deactivated(blocked, confirmed):
    """A deactivated account is blocked, regardless of its confirmation."""
    confirmed.is_active = False
    confirmed.save()
    standings = [find_accounts(name)[0].standing for name in ("blocked", "confirmed")]
    assert standings == [Standing.BLOCKED, Standing.BLOCKED]


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (ConfirmationState.PENDING, Standing.PENDING),
        (ConfirmationState.WITHDRAWN, Standing.BLOCKED),
        (ConfirmationState.CONFIRMED, Standing.CONFIRMED),
    ],
)
def test_changed_address(pending, state, standing):
    """The confirmation of a former address counts until the new one has its own."""
    Confirmation.objects.update(state=state)
    pending.email = "new@example.com"
    pending.save()
    (account,) = find_accounts("new@example.com")
    waits = Confirmation.objects.get().pk if state == ConfirmationState.PENDING else None
    assert (account.standing, account.confirmation_id, account.former_id) == (standing, None, waits)
    assert find_accounts("pending@example.com") == []


def test_the_newest_former_address_counts(pending):
    """Of several former addresses, the one requested last decides the standing."""
    assert engine.confirm_by_hand(Confirmation.objects.get())
    for address in ("second@example.com", "third@example.com"):
        pending.email = address
        pending.save()
        if address == "second@example.com":
            start(pending, send=False)
    (account,) = find_accounts("third@example.com")
    assert account.standing is Standing.PENDING


def test_back_to_an_address_from_before_a_withdrawal(pending):
    """A withdrawn account does not become pending again by returning to an earlier address."""
    earlier = Confirmation.objects.get()
    pending.email = "new@example.com"
    pending.save()
    assert withdraw(start(pending, send=False))
    pending.email = "pending@example.com"
    pending.save()
    (account,) = find_accounts("pending@example.com")
    assert account.standing is Standing.BLOCKED
    start(pending, send=False)
    (account,) = find_accounts("pending@example.com")
    assert (account.standing, account.confirmation_id) == (Standing.PENDING, earlier.pk)


@pytest.mark.parametrize("first", ["old@example.com", "new@example.com"])
def test_confirmations_of_both_addresses(first):
    """Of several confirmations the one of the current address counts, in any order."""
    second = {"old@example.com": "new@example.com"}.get(first, "old@example.com")
    user = PendingFactory.create(username="mover", email=first)
    user.email = second
    user.save()
    start(user, send=False)
    user.email = "new@example.com"
    user.save()
    Confirmation.objects.filter(address="old@example.com").update(state=ConfirmationState.WITHDRAWN)
    (account,) = find_accounts("mover")
    assert account.standing is Standing.PENDING
    mine = Confirmation.objects.get(address="new@example.com")
    assert account.confirmation_id == mine.pk


def test_get(pending):
    """``get`` returns an account by its user's key and current address."""
    store = ConfirmationStore()
    account = store.get(pending.pk, address_of("PENDING@example.com"))
    assert account is not None
    assert account.user == pending
    assert store.get(pending.pk, address_of("other@example.com")) is None
    assert store.get(pending.pk + 1, address_of("pending@example.com")) is None


def test_pending_accounts(pending, confirmed, blocked):
    """``pending`` returns the pending accounts only, the oldest first."""
    late = PendingFactory.create(username="late")
    withdrawn = PendingFactory.create(username="withdrawn")
    withdraw(Confirmation.objects.get(account=withdrawn))
    moved = PendingFactory.create(username="moved")
    moved.email = "elsewhere@example.com"
    moved.save()
    waiting = [(account.user, account.address) for account in ConfirmationStore().pending()]
    assert waiting == [
        (pending, "pending@example.com"),
        (late, "late@example.com"),
        (moved, "elsewhere@example.com"),
    ]


def test_pending_of_more_than_one_piece(monkeypatch):
    """Every pending account is returned once, regardless of the batch size."""
    monkeypatch.setattr(accounts.users, "_USERS_AT_ONCE", 2)
    users = [PendingFactory.create() for _ in range(5)]
    assert [account.user for account in ConfirmationStore().pending()] == users


def test_an_account_without_address_does_not_wait():
    """An account without a valid address is not pending."""
    user = PendingFactory.create(username="bare")
    assert names(pending_accounts(find_accounts("bare"))) == ["bare"]
    user.email = "no address"
    user.save()
    assert pending_accounts(find_accounts("bare")) == []


# FlagStore


def sign_up(**fields):
    return PendingFactory.create(is_active=False, **fields)


@pytest.mark.parametrize(
    ("fields", "standing"),
    [
        ({"is_active": False}, Standing.PENDING),
        ({"is_active": True}, Standing.CONFIRMED),
        ({"is_active": True, "last_login": timezone.now()}, Standing.CONFIRMED),
        ({"is_active": False, "last_login": timezone.now()}, Standing.BLOCKED),
    ],
)
def test_flag_standing(flag_store, fields, standing):
    """An inactive account is pending if it never logged in, and otherwise blocked."""
    PendingFactory.create(username="flagged", **fields)
    (account,) = find_accounts("flagged")
    assert account.standing is standing


@pytest.mark.parametrize("quiet", [CONCEALED, frozenset()], ids=["quiet", "candid"])
def test_flag_imported(flag_store, quiet):
    """An inactive account without a confirmation is blocked, and gets no message."""
    UserFactory.create(username="old", email="old@example.com", is_active=False)
    (account,) = find_accounts("old@example.com")
    assert account.standing is Standing.BLOCKED
    request = ResendRequest(identity="old@example.com", client=clients.default(), quiet=quiet)
    assert engine.resend(request).ending is (Outcome.SENT if quiet else Outcome.BLOCKED)
    assert list(flag_store.pending()) == []
    while not engine.drain().idle:
        pass
    assert mail.outbox == []
    assert not Confirmation.objects.exists()


@pytest.mark.parametrize("state", [ConfirmationState.WITHDRAWN, ConfirmationState.CONFIRMED])
def test_flag_deactivated_again(flag_store, state):
    """An inactive account whose confirmation is confirmed or withdrawn is blocked."""
    user = sign_up(username="flagged")
    start(user, send=False)
    Confirmation.objects.update(state=state)
    (account,) = find_accounts("flagged")
    assert account.standing is Standing.BLOCKED


def test_flag_confirm(flag_store):
    """``confirm`` activates the account, in the database and on the instance."""
    user = sign_up(username="flagged")
    (account,) = find_accounts("flagged")
    assert flag_store.confirm(account) is True
    assert account.user.is_active is True
    user.refresh_from_db()
    assert user.is_active is True


@pytest.mark.parametrize(
    "meanwhile", [{"is_active": True}, {"last_login": timezone.now()}], ids=["active", "used"]
)
def test_flag_confirm_is_conditional(flag_store, meanwhile):
    """``confirm`` does not change an account that was activated or logged in since it was read."""
    user = sign_up(username="flagged")
    (account,) = find_accounts("flagged")
    User.objects.filter(pk=user.pk).update(**meanwhile)
    assert flag_store.confirm(account) is False
    assert account.user.is_active is False
    user.refresh_from_db()
    assert user.is_active is meanwhile.get("is_active", False)


def test_flag_confirm_refused(flag_store):
    """If the store refuses to confirm, the confirmation stays pending."""
    user = sign_up(username="flagged")
    confirmation = start(user, send=False)
    account = flag_store.get(user.pk, address_of(user.email))
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())
    assert account is not None
    assert engine.confirm_by_hand(confirmation) is False
    confirmation.refresh_from_db()
    assert confirmation.state == ConfirmationState.PENDING


def test_flag_pending(flag_store):
    """``pending`` returns inactive accounts with a pending confirmation and without a login."""
    asked = sign_up(username="asked")
    withdraw(start(sign_up(username="gone"), send=False))
    PendingFactory.create(username="active")
    UserFactory.create(username="imported", is_active=False)
    sign_up(username="used", last_login=timezone.now())
    assert [account.user for account in flag_store.pending()] == [asked]


# Other user models


class Member:
    """A user model whose user name is a number."""

    USERNAME_FIELD = "id"
    _meta = get_user_model()._meta

    @staticmethod
    def get_email_field_name():
        return "email"


def test_a_user_name_column_of_numbers(monkeypatch):
    """An identity that is not a number is not compared with numeric user names."""
    user = UserFactory.create(username="x", email="x@example.com")
    monkeypatch.setattr(accounts.confirmation_store, "get_user_model", lambda: Member)
    matches = ConfirmationStore()._matches
    users = get_user_model().objects
    assert list(users.filter(matches(address_of("x@example.com")))) == [user]
    assert list(users.filter(matches(str(user.pk)))) == [user]
    assert list(users.filter(matches("x"))) == []


def test_a_user_name_that_is_the_address(monkeypatch):
    """If the user name is the address, only one column is queried."""
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "email")
    PendingFactory.create(username="x", email="x@example.com")
    with CaptureQueriesContext(connection) as queries:
        (account,) = find_accounts("X@example.com")
    assert account.username == "x@example.com"
    conditions = re.findall(r"WHERE (.*?)(?: UNION | ORDER BY |$)", queries[0]["sql"])
    assert conditions
    assert "username" not in " ".join(conditions).lower()


class OfTheMoment(UserManager):
    """A manager that hides the users of all tenants but one."""

    tenant = "a"

    def get_queryset(self):
        return super().get_queryset().filter(first_name=self.tenant)


def test_a_manager_with_conditions_of_the_moment(monkeypatch):
    """The host's manager is asked at each look-up."""
    UserFactory.create(email="x@example.com", first_name="a")
    manager: Any = OfTheMoment()
    manager.model = get_user_model()
    monkeypatch.setitem(vars(get_user_model()._meta), "default_manager", manager)
    found = [ConfirmationStore().find(address_of("x@example.com"))]
    monkeypatch.setattr(OfTheMoment, "tenant", "b")
    found.append(ConfirmationStore().find(address_of("x@example.com")))
    assert [[account.address for account in each] for each in found] == [["x@example.com"], []]


@pytest.mark.parametrize("sign", "_%")
def test_signs_of_patterns(sign):
    """A character that stands for others in patterns of SQL is compared as it is."""
    UserFactory.create(email="axb@example.com")
    UserFactory.create(email=f"a{sign}b@example.com")
    found = ConfirmationStore().find(address_of(f"A{sign}b@example.com"))
    assert [account.address for account in found] == [f"a{sign}b@example.com"]

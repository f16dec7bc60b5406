"""AllauthStore: the accounts, flags and links of django-allauth together with our links."""

import re

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.signals import email_changed, email_confirmed
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import call_command
from django.db import IntegrityError

from resend_confirmation import accounts, engine, start, withdraw
from resend_confirmation.contrib.allauth import AllauthStore
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import ConfirmationState, Standing, Verdict
from resend_confirmation.signals import confirmed
from resend_confirmation.testing.stores import AccountStoreContract
from tests.factories import address_of

pytestmark = [pytest.mark.database, pytest.mark.django_db]

User = get_user_model()
PASSWORD = "correct horse battery"


class TestContract(AccountStoreContract):
    """Accounts with a row of allauth's, as after a sign-up."""

    def make_pending(self, username, address):
        user = User.objects.create_user(username, address)
        EmailAddress.objects.create(user=user, email=address, primary=True)
        return user

    def make_confirmed(self, username, address):
        user = self.make_pending(username, address)
        EmailAddress.objects.filter(user=user).update(verified=True)
        return user

    def make_without_address(self, username):
        return User.objects.create_user(username)

    def change_address(self, user, address):
        EmailAddress.objects.get(user=user).remove()
        EmailAddress.objects.create(user=user, email=address, primary=True)
        super().change_address(user, address)


class TestContractWithoutRows(TestContract):
    """Accounts without a row of allauth's, such as those from createsuperuser."""

    def make_pending(self, username, address):
        return User.objects.create_user(username, address)

    def make_confirmed(self, username, address):
        return TestContract().make_confirmed(username, address)

    def change_address(self, user, address):
        AccountStoreContract.change_address(self, user, address)


@pytest.fixture
def sign_up(client):
    """Return a function that signs up on allauth's page."""

    def sign_up(username, address):
        given = {
            "username": username,
            "email": address,
            "password1": PASSWORD,
            "password2": PASSWORD,
        }
        answer = client.post("/accounts/signup/", given)
        assert (answer.status_code, answer["Location"]) == (302, "/accounts/confirm-email/")
        client.cookies.clear()
        return User.objects.get(username=username)

    return sign_up


@pytest.fixture
def log_in(client):
    """Return a function that logs in on allauth's page and returns where that redirects."""

    def log_in(name):
        answer = client.post("/accounts/login/", {"login": name, "password": PASSWORD})
        client.cookies.clear()
        return answer["Location"]

    return log_in


@pytest.fixture
def heard():
    """The signals sent by allauth and by us, in order."""
    told = []

    def hear_allauth(request, email_address, **_):
        told.append(("allauth", email_address.email, request.path))

    def hear(user, confirmation, **_):
        told.append(("resend_confirmation", confirmation.address, user.username))

    email_confirmed.connect(hear_allauth)
    confirmed.connect(hear)
    yield told
    email_confirmed.disconnect(hear_allauth)
    confirmed.disconnect(hear)


def allauth_link(body):
    """Return the path of the link in allauth's message."""
    (link,) = re.findall(r"http://testserver(/accounts/confirm-email/\S+/)", body)
    return link


def state():
    return Confirmation.objects.get().state


def test_sign_up_there_resend_and_confirm_here_log_in_there(
    sign_up, ask, arrived, press, log_in, heard
):
    """An account signed up at allauth gets our link, and can log in at allauth after the click."""
    sign_up("jane", "jane@example.org")
    ((to, body),) = arrived()
    assert (to, "confirm-email" in body) == (["jane@example.org"], True)
    assert log_in("jane") == "/accounts/confirm-email/"
    arrived()
    assert ask("Jane@example.org") == (200, "sent")
    ((to, body),) = arrived()
    assert to == ["jane@example.org"]
    assert press(body) == "Thank you"
    assert EmailAddress.objects.values_list("email", "verified", "primary").get() == (
        "jane@example.org",
        True,
        True,
    )
    assert heard == [
        ("allauth", "jane@example.org", "/confirm/"),
        ("resend_confirmation", "jane@example.org", "jane"),
    ]
    assert log_in("jane") == "/"
    assert ask("jane@example.org") == (400, "already.confirmed")


def test_confirm_there(sign_up, client, ask, arrived, press, log_in, heard):
    """allauth's own link confirms here too: our link and a resend report that."""
    sign_up("jane", "jane@example.org")
    ((_, allauth_body),) = arrived()
    assert ask("jane@example.org") == (200, "sent")
    ((_, body),) = arrived()
    assert client.post(allauth_link(allauth_body)).status_code == 302
    assert (state(), [who for who, *_ in heard]) == (
        ConfirmationState.CONFIRMED,
        ["resend_confirmation", "allauth"],
    )
    assert ask("jane@example.org") == (400, "already.confirmed")
    assert press(body) == "Already confirmed"
    assert len(heard) == 2
    assert log_in("jane") == "/"


def test_confirm_here_then_there(sign_up, client, ask, arrived, press, heard):
    """After a confirmation by our link allauth's link changes nothing."""
    sign_up("jane", "jane@example.org")
    ((_, allauth_body),) = arrived()
    ask("jane@example.org")
    ((_, body),) = arrived()
    press(body)
    client.post(allauth_link(allauth_body))
    assert len(heard) == 2
    assert EmailAddress.objects.get().verified is True


def test_confirm_there_only(sign_up, client, ask, arrived):
    """An account that was confirmed at allauth only is confirmed here, without a row."""
    sign_up("jane", "jane@example.org")
    ((_, allauth_body),) = arrived()
    client.post(allauth_link(allauth_body))
    assert ask("jane@example.org") == (400, "already.confirmed")
    assert not Confirmation.objects.exists()


def test_deactivated(sign_up, ask, arrived, press, log_in):
    """A deactivated account gets no message, and its link is dead."""
    user = sign_up("jane", "jane@example.org")
    arrived()
    ask("jane@example.org")
    ((_, body),) = arrived()
    user.is_active = False
    user.save()
    assert press(body) == "This link is not valid"
    Cooldown.objects.all().delete()
    assert ask("jane@example.org") == (400, "blocked.user")
    assert (arrived(), EmailAddress.objects.get().verified) == ([], False)
    assert log_in("jane") == "/accounts/inactive/"


def test_deactivated_while_confirming(several):
    """An account that is deactivated after it was read is not verified."""
    account = AllauthStore().get(several.pk, address_of("second@example.org"))
    assert account is not None
    User.objects.update(is_active=False)
    assert AllauthStore().confirm(account) is False
    assert EmailAddress.objects.get(email="second@example.org").verified is False


def test_withdrawn(sign_up, ask):
    """After staff withdrew the confirmation there is no resend."""
    user = sign_up("jane", "jane@example.org")
    withdraw(start(user, send=False))
    assert ask("jane@example.org") == (400, "blocked.user")


def test_verified_wins_over_withdrawn(sign_up, ask):
    """An account verified at allauth is confirmed, since allauth lets it log in."""
    user = sign_up("jane", "jane@example.org")
    withdraw(start(user, send=False))
    EmailAddress.objects.update(verified=True)
    assert ask("jane@example.org") == (400, "already.confirmed")


def test_waits_again(sign_up, ask, arrived, press):
    """If allauth's flag is reset, the address is pending again and gets a new link."""
    sign_up("jane", "jane@example.org")
    arrived()
    ask("jane@example.org")
    ((_, first),) = arrived()
    press(first)
    EmailAddress.objects.update(verified=False)
    Cooldown.objects.all().delete()
    assert ask("jane@example.org") == (200, "sent")
    ((_, second),) = arrived()
    assert press(first) == "This link is not valid"
    assert press(second) == "Thank you"
    assert EmailAddress.objects.get().verified is True


# Several addresses


@pytest.fixture
def several(db):
    """An account with a verified primary address and a pending second one."""
    user = User.objects.create_user("jane", "jane@example.org")
    EmailAddress.objects.create(user=user, email="jane@example.org", primary=True, verified=True)
    EmailAddress.objects.create(user=user, email="second@example.org")
    return user


def test_second_address(several, ask, arrived, press):
    """A second address is confirmed separately; the primary one does not change."""
    assert ask("jane@example.org") == (400, "already.confirmed")
    assert ask("second@example.org") == (200, "sent")
    ((to, body),) = arrived()
    assert to == ["second@example.org"]
    assert press(body) == "Thank you"
    assert set(EmailAddress.objects.values_list("email", "verified", "primary")) == {
        ("jane@example.org", True, True),
        ("second@example.org", True, False),
    }
    several.refresh_from_db()
    assert several.email == "jane@example.org"


def test_user_name_of_several(several):
    """A user name only identifies the primary address."""
    (account,) = find_accounts("jane")
    assert (account.address, account.standing) == ("jane@example.org", Standing.CONFIRMED)


def test_bulk_of_several(several):
    """A bulk resend leaves out accounts with a verified address: they can log in."""
    waits = User.objects.create_user("joe", "joe@example.org")
    EmailAddress.objects.create(user=waits, email="joe@example.org", primary=True)
    EmailAddress.objects.create(user=waits, email="other@example.org")
    User.objects.create_user("bare")
    assert [a.address for a in AllauthStore().pending()] == ["joe@example.org"]


def test_change_of_address(several, settings, ask, arrived, press):
    """With ACCOUNT_CHANGE_EMAIL our link replaces the former address, as allauth's does."""
    settings.ACCOUNT_CHANGE_EMAIL = True
    told = []

    def listen(from_email_address, to_email_address, **_):
        told.append((from_email_address.email, to_email_address.email))

    email_changed.connect(listen)
    try:
        ask("second@example.org")
        ((_, body),) = arrived()
        assert press(body) == "Thank you"
    finally:
        email_changed.disconnect(listen)
    assert told == [("jane@example.org", "second@example.org")]
    assert EmailAddress.objects.values_list("email", "verified", "primary").get() == (
        "second@example.org",
        True,
        True,
    )
    several.refresh_from_db()
    assert several.email == "second@example.org"


def test_start_for_a_second_address(several, arrived, press):
    """``start`` accepts a store's account, for one of a user's several addresses."""
    start(AllauthStore().get(several.pk, address_of("second@example.org")))
    ((to, body),) = arrived()
    assert (to, press(body)) == (["second@example.org"], "Thank you")


def test_removed_address(several, ask, arrived, press):
    """The link of an address that was removed at allauth is dead."""
    ask("second@example.org")
    ((_, body),) = arrived()
    EmailAddress.objects.get(email="second@example.org").remove()
    assert press(body) == "This link is not valid"


# Accounts that share an address


@pytest.fixture
def twins(db):
    """Two accounts with the same address, which allauth lets only one of them verify."""
    users = [User.objects.create_user(name, "shared@example.org") for name in ("one", "two")]
    for user in users:
        EmailAddress.objects.create(user=user, email=user.email, primary=True)
    return users


def test_shared_address(twins, ask, arrived, press):
    """The newest account gets the link, and after its confirmation the others get none."""
    assert ask("shared@example.org") == (200, "sent")
    ((_, body),) = arrived()
    assert press(body) == "Thank you"
    assert list(EmailAddress.objects.filter(verified=True).values_list("user__username")) == [
        ("two",)
    ]
    Cooldown.objects.all().delete()
    assert ask("shared@example.org") == (400, "already.confirmed")
    assert arrived() == []


def test_shared_address_where_not_unique(twins, settings, ask, arrived):
    """If allauth does not keep addresses unique, each account is pending separately."""
    settings.ACCOUNT_UNIQUE_EMAIL = False
    EmailAddress.objects.filter(user=twins[0]).update(verified=True)
    assert ask("shared@example.org") == (200, "sent")
    assert len(arrived()) == 1


def test_taken_while_confirming(twins, monkeypatch):
    """If another account confirms the address at the same time, this one stays unconfirmed."""
    account = AllauthStore().get(twins[0].pk, address_of("shared@example.org"))
    assert account is not None
    EmailAddress.objects.filter(user=twins[1]).update(verified=True)
    # The other confirmation was committed after allauth's own check.
    monkeypatch.setattr(EmailAddress, "can_set_verified", lambda self: True)
    monkeypatch.setattr(EmailAddress, "save", refuse)
    assert AllauthStore().confirm(account) is False
    EmailAddress.objects.filter(user=twins[1]).update(verified=False)
    with pytest.raises(IntegrityError):
        AllauthStore().confirm(account)


def refuse(self, **_):
    raise IntegrityError("unique_verified_email")


def test_bulk_of_a_shared_address(twins, arrived):
    """A bulk resend sends one message at a time to a shared address, within its cooldown."""
    call_command("resend_confirmation", "send", "--pending")
    assert [to for to, _ in arrived()] == [["shared@example.org"]]
    assert Cooldown.objects.get().hour_count == 1


# Rules of this store


def test_without_a_row(ask, arrived, press, log_in):
    """An account without a row of allauth's gets one when its address is confirmed."""
    User.objects.create_user("jane", "Jane@example.org", PASSWORD)
    assert ask("jane@example.org") == (200, "sent")
    ((_, body),) = arrived()
    assert press(body) == "Thank you"
    assert EmailAddress.objects.values_list("email", "verified", "primary").get() == (
        "jane@example.org",
        True,
        True,
    )
    assert log_in("jane") == "/"


def test_another_spelling_of_its_row():
    """The user's address and that of allauth's row may be spelled differently."""
    user = User.objects.create_user("jane", "jane@B\u00dcCHER.example")
    EmailAddress.objects.create(user=user, email="jane@xn--bcher-kva.example", primary=True)
    assert [account.address for account in find_accounts("jane")] == ["jane@xn--bcher-kva.example"]


def test_outside_of_a_request(several, ask, arrived, settings):
    """Staff can confirm outside of a web request, and allauth sends its usual notices."""
    settings.ACCOUNT_CHANGE_EMAIL = True
    settings.ACCOUNT_EMAIL_NOTIFICATIONS = True
    confirmation = start(
        AllauthStore().get(several.pk, address_of("second@example.org")), send=False
    )
    assert engine.confirm_by_hand(confirmation) is True
    ((to, body),) = arrived()
    assert (to, "second@example.org" in body) == (["jane@example.org"], True)


def test_open_again(several):
    """A withdrawal can be undone; a verified address stays verified."""
    confirmation = start(
        AllauthStore().get(several.pk, address_of("second@example.org")), send=False
    )
    withdraw(confirmation, by_hand=True)
    assert engine.open_again(confirmation) is engine.Reopening.OPENED
    confirmation.refresh_from_db()
    assert engine.confirm_by_hand(confirmation) is True
    assert engine.open_again(confirmation) is engine.Reopening.LASTING
    assert EmailAddress.objects.get(email="second@example.org").verified
    assert state() == ConfirmationState.CONFIRMED


def test_adapter_is_asked(several, settings, monkeypatch):
    """A host's adapter can refuse a confirmation, as for allauth's links."""
    monkeypatch.setattr(
        "allauth.account.adapter.DefaultAccountAdapter.confirm_email", lambda *_: False
    )
    confirmation = start(
        AllauthStore().get(several.pk, address_of("second@example.org")), send=False
    )
    assert engine.confirm_by_hand(confirmation) is False
    assert state() == ConfirmationState.PENDING


def test_store_of_another(sign_up, client, arrived, change):
    """With another store allauth's link does not change our rows."""
    user = sign_up("jane", "jane@example.org")
    arrived()
    start(user, send=False)
    change(ACCOUNTS="resend_confirmation.accounts.ConfirmationStore")
    key = EmailConfirmationHMAC(EmailAddress.objects.get()).key
    client.post(f"/accounts/confirm-email/{key}/")
    assert (EmailAddress.objects.get().verified, state()) == (True, ConfirmationState.PENDING)


def test_statements_to_resend(several, django_assert_max_num_queries):
    """An account with all its addresses is read by confirmation, by user and by address."""
    with django_assert_max_num_queries(3):
        found = accounts.store().find(address_of("second@example.org"))
    assert [a.address for a in found] == ["second@example.org"]


def test_verdict_of_a_spent_press(twins):
    """The link is dead if another account has confirmed the shared address."""
    start(twins[0])
    Cooldown.objects.all().delete()
    engine.drain()
    body = str(mail.outbox[-1].body)
    token = re.findall(r"token=(\S+)", body)[0]
    EmailAddress.objects.filter(user=twins[1]).update(verified=True)
    assert engine.confirm(token).verdict is Verdict.DEAD
    assert Delivery.objects.count() == 1


def test_import(tmp_path, capsys):
    """Accounts of an export wait, or are verified; other addresses of an account are found too."""
    for name in ("ann", "ben", "cid"):
        User.objects.create_user(name, f"{name}@example.org")
    ben, cid = User.objects.get(username="ben"), User.objects.get(username="cid")
    EmailAddress.objects.create(user=ben, email="second@example.org", verified=True, primary=True)
    EmailAddress.objects.create(user=cid, email="third@example.org")
    path = tmp_path / "people.csv"
    path.write_text(
        "email,username,confirmed\nann@example.org,,0\nsecond@example.org,,0\n"
        "third@example.org,,1\n,ben,0\n"
    )
    call_command("resend_confirmation", "import", str(path))
    assert capsys.readouterr().out.splitlines() == [
        "made pending: 1",
        "marked as confirmed: 1",
        "confirmed already: 2",
    ]
    assert EmailAddress.objects.get(email="third@example.org").verified
    rows = Confirmation.objects.order_by("address").values_list("address", "state")
    assert list(rows) == [
        ("ann@example.org", "pending"),
        ("third@example.org", "confirmed"),
    ]

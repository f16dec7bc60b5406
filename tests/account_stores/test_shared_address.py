"""Accounts that share an address, in a bulk resend and in the admin."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from resend_confirmation import engine
from resend_confirmation.admin import actions
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.limits import cooldown
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import ConfirmationState, Outcome, Reason
from tests.factories import PendingFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

ADDRESS = "shared@example.com"


@pytest.fixture(autouse=True)
def site(change):
    """One client without redirects, so that a press ends on our own page."""
    change(CLIENTS=[{"name": "site"}])


@pytest.fixture
def twins(site, db):
    """Two pending accounts with the address shared@example.com."""
    return [PendingFactory.create(username=name, email=ADDRESS) for name in ("one", "two")]


def send_to_all():
    call_command("resend_confirmation", "send", "--pending", verbosity=0)


def test_bulk(twins, arrived, press, clock):
    """A bulk resend sends each account its own link, one after the other."""
    send_to_all()
    ((_, first),) = arrived()
    clock.move(minutes=1)
    ((_, second),) = arrived()
    assert Cooldown.objects.values_list("hour_count", flat=True).get() == 2
    assert press(second) == "Thank you"
    states = dict(Confirmation.objects.values_list("account__username", "state"))
    assert states == {"one": ConfirmationState.PENDING, "two": ConfirmationState.CONFIRMED}
    assert press(first) == "Thank you"


def test_bulk_again(twins, arrived, clock):
    """The next bulk resend reaches each of the accounts again."""
    send_to_all()
    assert len(arrived()) == 1
    send_to_all()
    assert arrived() == []
    clock.move(minutes=2)
    assert len(arrived()) == 1
    clock.move(days=1)
    send_to_all()
    assert len(arrived()) == 1
    clock.move(minutes=1)
    assert len(arrived()) == 1


def test_admin(twins, clock):
    """Resent in the admin, each account is queued once, within the shared cooldown."""
    one, two = Confirmation.objects.order_by("pk")
    assert [actions.resend(c) for c in (one, two, one, two)] == [
        actions.Done.YES,
        actions.Done.YES,
        actions.Done.COOLING_DOWN,
        actions.Done.COOLING_DOWN,
    ]
    reasons = Delivery.objects.order_by("pk").values_list("reason", flat=True)
    assert list(reasons) == [Reason.NONE, Reason.TURN]
    assert Delivery.objects.latest("pk").not_before == clock.now + timedelta(seconds=60)


def test_one_of_them_asked(twins, ask, arrived):
    """After a request for the shared address the cooldown applies to each of its accounts."""
    assert ask(ADDRESS)[0] == 200
    assert len(arrived()) == 1
    for account in find_accounts(ADDRESS):
        assert engine.send_to(account).ending is Outcome.COOLING_DOWN


@pytest.mark.parametrize("state", ["queued", "sending"])
def test_another_ones_message_is_under_way(twins, state):
    """While a message to another account is under way, an account waits for the next slot."""
    one, two = find_accounts(ADDRESS)
    assert engine.send_to(one).ending is Outcome.SENT
    # A sign-up's message that waits for its turn has no slot.
    Delivery.objects.update(state=state, slot_at=None)
    assert engine.send_to(one).ending is Outcome.COOLING_DOWN
    assert engine.send_to(two).ending is Outcome.SENT
    assert engine.send_to(two).ending is Outcome.COOLING_DOWN


def test_the_slot_was_taken_for_no_account(twins):
    """If no message to the address has the slot, an account does not wait for the next one."""
    cooldown.take(ADDRESS)
    PendingFactory.create(username="other", email="other@example.com")
    assert engine.send_to(*find_accounts("other")).ending is Outcome.SENT
    (one, _) = find_accounts(ADDRESS)
    assert engine.send_to(one).ending is Outcome.COOLING_DOWN
    assert Delivery.objects.count() == 1


def test_another_address_has_its_own_cooldown(twins):
    """The cooldown of a shared address does not apply to other addresses."""
    other = PendingFactory.create(username="other", email="other@example.com")
    found = {a.username: a for name in (ADDRESS, other.email) for a in find_accounts(name)}
    assert engine.send_to(found["one"]).ending is Outcome.SENT
    assert engine.send_to(found["other"]).ending is Outcome.SENT
    assert engine.send_to(found["other"]).ending is Outcome.COOLING_DOWN
    assert Cooldown.objects.count() == 2

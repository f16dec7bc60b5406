"""Opening again, and the marks of account stores that it can undo."""

import pytest
from django.contrib.auth import get_user_model

from resend_confirmation import engine, start, withdraw
from resend_confirmation.accounts import ConfirmationStore
from resend_confirmation.engine import Reopening
from resend_confirmation.models import Confirmation
from resend_confirmation.outcomes import Standing
from tests.factories import UserFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

User = get_user_model()


class MarkStore(ConfirmationStore):
    """Marks confirmed accounts in a column, and cannot undo that."""

    def confirm(self, account):
        return bool(User.objects.filter(pk=account.user.pk).update(first_name="confirmed"))

    def standing(self, user, state):
        standing = super().standing(user, state)
        is_marked = user.first_name == "confirmed" and standing is Standing.PENDING
        return Standing.CONFIRMED if is_marked else standing


class UndoingStore(MarkStore):
    """Can undo its mark."""

    def confirm(self, account):
        return super().confirm(account)

    def reopen(self, account):
        return bool(User.objects.filter(pk=account.user.pk).update(first_name=""))


class HesitantStore(UndoingStore):
    """Claims to have undone its mark."""

    def confirm(self, account):
        return super().confirm(account)

    def reopen(self, account):
        return True


@pytest.mark.parametrize(
    ("store", "ending", "left"),
    [
        (MarkStore, Reopening.LASTING, ("confirmed", "confirmed")),
        (UndoingStore, Reopening.OPENED, ("pending", "")),
        (HesitantStore, Reopening.CHANGED, ("confirmed", "confirmed")),
    ],
)
def test_marks_of_stores(change, store, ending, left):
    """A store that marks accounts has to define how to undo it, and to do it."""
    change(ACCOUNTS=f"{__name__}.{store.__name__}")
    confirmation = start(UserFactory.create(), send=False)
    assert engine.confirm_by_hand(confirmation) is True
    assert engine.open_again(confirmation) is ending
    assert (Confirmation.objects.get().state, User.objects.get().first_name) == left


def staff(user, confirmation):
    withdraw(confirmation, by_hand=True)


def deactivation(user, confirmation):
    engine.note_deactivated(user, user.email)


def both(user, confirmation):
    staff(user, confirmation)
    deactivation(user, confirmation)


@pytest.mark.parametrize(
    ("end", "ending", "state"),
    [
        (staff, Reopening.OPENED, "pending"),
        (deactivation, Reopening.LASTING, "withdrawn"),
        (both, Reopening.LASTING, "withdrawn"),
    ],
)
def test_withdrawals_with_flags(change, end, ending, state):
    """With FlagStore, opening again does not undo a deactivation."""
    change(ACCOUNTS="resend_confirmation.accounts.FlagStore")
    user = UserFactory.create(is_active=False)
    confirmation = start(user, send=False)
    end(user, confirmation)
    assert engine.open_again(confirmation) is ending
    assert Confirmation.objects.get().state == state


def test_confirmed_by_a_link(pending, arrived, change):
    """A confirmation by the recipient stays, even if staff had ended an earlier one."""
    change(CLIENTS=[{"name": "site"}])
    confirmation = Confirmation.objects.get()
    withdraw(confirmation, by_hand=True)
    start(pending)
    ((_, body),) = arrived()
    assert engine.confirm(body.partition("token=")[2][:43]).verdict.value == "confirmed"
    assert engine.open_again(confirmation) is Reopening.NOT_ENDED


def test_deleted_with_its_account(pending):
    """There is nothing to open if the account was deleted in the meantime."""
    confirmation = Confirmation.objects.get()
    pending.delete()
    assert engine.open_again(confirmation) is Reopening.CHANGED

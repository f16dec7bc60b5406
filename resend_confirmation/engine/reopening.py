"""Opening again: what staff withdrew or confirmed by hand becomes pending."""

import enum
from typing import Any

from .. import accounts, database, failures
from ..accounts import Account
from ..models import Confirmation
from ..outcomes import ConfirmationState, Standing
from .signup import account_of, fresh_columns


class Reopening(enum.Enum):
    """Result of opening a confirmation again."""

    OPENED = "opened"
    #: It is pending, or the recipient confirmed it.
    NOT_ENDED = "not_ended"
    #: The recipient chose "This was not me".
    DISOWNED = "disowned"
    #: The account store cannot undo it, or the withdrawal may stand for a deactivation.
    LASTING = "lasting"
    #: The account is gone, deactivated or confirmed in another way, or its address changed.
    CHANGED = "changed"


@failures.discreet
@database.retry_on_deadlock
def open_again(confirmation: Confirmation) -> Reopening:
    """Make a confirmation pending again that was withdrawn, or that staff confirmed by hand.

    Its old links stay dead, or become dead. Receivers of ``confirmed`` are not told. What the
    recipient confirmed or disowned stays as it is; ``start`` begins such a confirmation again.
    """
    with database.atomic():
        ending = _open(confirmation)
        if ending is not Reopening.OPENED:
            database.roll_back()
    return ending


def _open(confirmation: Confirmation) -> Reopening:
    store: Any = accounts.store()
    # The account is locked before the confirmation, as everywhere: another order could deadlock.
    store.lock(confirmation.account_id)
    row = Confirmation.objects.select_for_update().filter(pk=confirmation.pk).first()
    account = account_of(row) if row else None
    if row is None or account is None:
        return Reopening.CHANGED
    if row.disowned_at:
        return Reopening.DISOWNED
    if row.state == ConfirmationState.PENDING:
        return Reopening.NOT_ENDED
    if row.state == ConfirmationState.CONFIRMED and not row.by_hand:
        return Reopening.NOT_ENDED
    if not _is_undone(store, row, account):
        return Reopening.LASTING
    columns = fresh_columns(account.mailbox, row.client, row.language)
    for name, value in columns.items():
        setattr(row, name, value)
    row.save(update_fields=list(columns))
    # A mark of the host may still confirm or block the account.
    current = account_of(row)
    is_pending = current is not None and current.standing is Standing.PENDING
    return Reopening.OPENED if is_pending else Reopening.CHANGED


def _is_undone(store: Any, row: Confirmation, account: Account) -> bool:
    """Undo the mark of the account store; return False if that is not possible."""
    if row.state == ConfirmationState.CONFIRMED:
        return accounts.defines(store, "confirm", "reopen") and bool(store.reopen(account))
    # A store that watches saves has the same withdrawn row for an account that was deactivated.
    return row.by_hand or not getattr(store, "watches_saves", False)

"""What the actions do to one confirmation, and how they go through a selection of any size."""

import enum
from collections.abc import Iterator
from datetime import datetime

from django.db.models import QuerySet

from .. import engine
from ..accounts import Account
from ..engine.signup import account_of, moved_account_of
from ..models import Confirmation, Suppression
from ..outcomes import Outcome, Standing

#: Rows of a selection that are in memory at once.
PIECE = 200


class Done(enum.Enum):
    """How an action on one confirmation ended; the values stand in the messages."""

    YES = "done"
    COOLING_DOWN = "cooling"
    NOT_PENDING = "other"
    SUPPRESSED = "suppressed"


def in_pieces(queryset: QuerySet[Confirmation]) -> Iterator[Confirmation]:
    """The rows by primary key: those that an action takes out of the selection are not missed."""
    rows = queryset.order_by("pk")
    piece = list(rows[:PIECE])
    while piece:
        yield from piece
        piece = list(rows.filter(pk__gt=piece[-1].pk)[:PIECE])


def resend(confirmation: Confirmation) -> Done:
    """Send again, as the newest before it; to the address that the account has by now."""
    account = _account_of(confirmation)
    if account is None or account.standing is not Standing.PENDING:
        return Done.NOT_PENDING
    if suppressed_since(confirmation):
        return Done.SUPPRESSED
    match engine.send_to(account).ending:
        case Outcome.SENT:
            return Done.YES
        case Outcome.COOLING_DOWN:
            return Done.COOLING_DOWN
    return Done.NOT_PENDING


def suppressed_since(confirmation: Confirmation) -> list[datetime]:
    """Return since when the address gets no messages; an empty list if it gets them."""
    account = _account_of(confirmation)
    if account is None or account.parsed is None:
        return []
    found = Suppression.of(account.parsed)
    return [found.since] if found else []


def _account_of(confirmation: Confirmation) -> Account | None:
    return account_of(confirmation) or moved_account_of(confirmation)


def withdraw(confirmation: Confirmation) -> Done:
    """Stop waiting."""
    return Done.YES if engine.withdraw(confirmation) else Done.NOT_PENDING


def confirm(confirmation: Confirmation) -> Done:
    """Confirm without a link."""
    return Done.YES if engine.confirm_by_hand(confirmation) else Done.NOT_PENDING

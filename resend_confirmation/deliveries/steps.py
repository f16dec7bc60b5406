"""The statements that a batch executes for each message, compiled once for a connection."""

from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
)

from .. import database, statements
from ..database import Statement
from ..models import Confirmation, Cooldown, Delivery
from ..outcomes import ConfirmationState, DeliveryState, Reason
from ..statements import Given
from . import states, superseding


def hand_over(pk: int, owner: str, **values: Any) -> bool:
    """Write ``values`` to a claimed delivery whose message is about to be handed over.

    Return False if the lease was lost, or if the message is no longer wanted.
    """
    columns = tuple(values)

    def build(connection: BaseDatabaseWrapper) -> Statement:
        rows = _claimed().filter(*_still_wanted(connection))
        return statements.update(connection, rows, _given(columns))

    statement = database.statement((__name__, "hand over", columns), build)
    return bool(statement.run(pk=pk, owner=owner, **values))


def mark_sent(pk: int, owner: str, sent_at: datetime, provider_id: str) -> bool:
    """Mark a claimed delivery as sent; return False if the lease was lost."""
    statement = database.statement((__name__, "mark"), _marking)
    return bool(statement.run(pk=pk, owner=owner, sent_at=sent_at, provider_id=provider_id))


def count_sent(confirmation_id: int | None, last_sent_at: datetime) -> None:
    """Count a sent message of a confirmation."""
    statement = database.statement((__name__, "count"), _counting)
    statement.run(pk=confirmation_id, last_sent_at=last_sent_at)


def reserve_gate(digest: str, holder: int, until: datetime, free_at: datetime) -> bool:
    """Reserve the gate of an address until ``until``.

    Return False if another message was sent to it after ``free_at``, or if it has no row.
    """
    statement = database.statement((__name__, "reserve"), _reserving)
    return bool(statement.run(digest=digest, holder=holder, until=until, free_at=free_at))


def _claimed() -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        states.IS_CLAIMED,
        lease_owner=Given("owner", CharField()),
        pk=Given("pk", BigIntegerField()),
    )


def _given(columns: tuple[str, ...]) -> dict[str, Given]:
    fields: Any = [Delivery._meta.get_field(name) for name in columns]
    return {field.name: Given(field.name, field) for field in fields}


def _still_wanted(connection: BaseDatabaseWrapper) -> list[Any]:
    """Return the conditions that nothing has made the message unnecessary since it was written."""
    pending = Confirmation.objects.filter(
        pk=OuterRef("confirmation_id"), state=ConfirmationState.PENDING
    )
    conditions = [Exists(pending), ~Exists(superseding.newer())]
    # MySQL cannot read the table that it updates, unlike MariaDB.
    return conditions if connection.features.update_can_self_select else conditions[:1]


def _marking(connection: BaseDatabaseWrapper) -> Statement:
    values: dict[str, Any] = {
        "state": DeliveryState.SENT,
        "reason": Reason.NONE,
        "error_class": "",
        "error_code": "",
        "lease_owner": "",
        "lease_until": None,
    }
    given = _given(("sent_at", "provider_id"))
    return statements.update(connection, _claimed(), {**values, **given})


def _counting(connection: BaseDatabaseWrapper) -> Statement:
    rows = Confirmation.objects.filter(pk=Given("pk", BigIntegerField()))
    values = {
        "last_delivery_state": DeliveryState.SENT,
        "sends": F("sends") + 1,
        "last_sent_at": Given("last_sent_at", DateTimeField()),
    }
    return statements.update(connection, rows, values)


def _reserving(connection: BaseDatabaseWrapper) -> Statement:
    holder = Given("holder", BigIntegerField())
    free = Q(sent_at=None) | Q(sent_at__lte=Given("free_at", DateTimeField())) | Q(holder=holder)
    rows = Cooldown.objects.filter(free, digest=Given("digest", CharField()))
    values = {"sent_at": Given("until", DateTimeField()), "holder": holder}
    return statements.update(connection, rows, values)

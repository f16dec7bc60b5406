"""The statements that a batch executes for each message, compiled once for a connection."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    QuerySet,
)

from .. import database, statements
from ..database import Statement
from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, DeliveryState, Reason
from ..statements import Given
from . import states, superseding


def hand_over(pk: int, owner: str, **values: Any) -> bool:
    """Write ``values`` to a claimed delivery whose message is about to be handed over.

    Return False if the lease was lost, or if the message is no longer wanted.
    """
    columns = tuple(values)

    statement = database.statement(
        (__name__, "hand over", columns), lambda connection: _handing_over(connection, columns)
    )
    return bool(statement.run(pk=pk, owner=owner, **values))


def joins_updates() -> bool:
    """Return whether the database executes several updates as one statement."""
    return connections[database.using()].vendor == "postgresql"


def mark_and_hand_over(last: Mapping[str, Any], **values: Any) -> tuple[bool, bool]:
    """Mark and count ``last``, and hand over the next message, in one statement.

    That takes one round trip to the database instead of five. Return whether the last message was
    marked, and whether the next one may be handed over.
    """
    columns = tuple(name for name in values if name not in {"pk", "owner"})
    statement = database.statement(
        (__name__, "both", columns), lambda connection: _joined(connection, columns)
    )
    given = values | {f"last_{name}": value for name, value in last.items()}
    with connections[database.using()].cursor() as cursor:
        cursor.execute(statement.sql, statement.filled(given))
        marked, handed = cursor.fetchone()
    return bool(marked), bool(handed)


def mark_sent(pk: int, owner: str, sent_at: datetime, provider_id: str) -> bool:
    """Mark a claimed delivery as sent; return False if the lease was lost."""
    statement = database.statement((__name__, "mark"), _marking)
    return bool(statement.run(pk=pk, owner=owner, sent_at=sent_at, provider_id=provider_id))


def count_sent(confirmation_id: int | None, sent_at: datetime) -> None:
    """Count a sent message of a confirmation."""
    statement = database.statement((__name__, "count"), _counting)
    statement.run(confirmation_id=confirmation_id, sent_at=sent_at)


def _joined(connection: BaseDatabaseWrapper, columns: tuple[str, ...]) -> Statement:
    mark = _marking(connection, "last_")
    count = _counting(connection, "last_")
    hand = _handing_over(connection, columns)
    # The ORM compiled the parts, with placeholders instead of values.
    sql = (
        f"WITH marked AS ({mark.sql} RETURNING 1), "  # noqa: S608  # nosec B608
        f"counted AS ({count.sql} AND EXISTS (SELECT 1 FROM marked)), "
        f"handed AS ({hand.sql} RETURNING 1) "
        "SELECT EXISTS (SELECT 1 FROM marked), EXISTS (SELECT 1 FROM handed)"
    )
    return statements.joined(sql, [mark, count, hand])


def _handing_over(connection: BaseDatabaseWrapper, columns: tuple[str, ...]) -> Statement:
    rows = _claimed().filter(*_still_wanted(connection))
    return statements.update(connection, rows, _given(columns))


def _claimed(prefix: str = "") -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        states.IS_CLAIMED,
        lease_owner=Given(f"{prefix}owner", CharField()),
        pk=Given(f"{prefix}pk", BigIntegerField()),
    )


def _given(columns: tuple[str, ...], prefix: str = "") -> dict[str, Given]:
    fields: Any = [Delivery._meta.get_field(name) for name in columns]
    return {field.name: Given(f"{prefix}{field.name}", field) for field in fields}


def _still_wanted(connection: BaseDatabaseWrapper) -> list[Any]:
    """Return the conditions that nothing has made the message unnecessary since it was written."""
    pending = Confirmation.objects.filter(
        pk=OuterRef("confirmation_id"), state=ConfirmationState.PENDING
    )
    conditions = [Exists(pending), ~Exists(superseding.newer())]
    # MySQL cannot read the table that it updates, unlike MariaDB.
    return conditions if connection.features.update_can_self_select else conditions[:1]


def _marking(connection: BaseDatabaseWrapper, prefix: str = "") -> Statement:
    values: dict[str, Any] = {
        "state": DeliveryState.SENT,
        "reason": Reason.NONE,
        "error_class": "",
        "error_code": "",
        "error_text": "",
        "lease_owner": "",
        "lease_until": None,
    }
    given = _given(("sent_at", "provider_id"), prefix)
    return statements.update(connection, _claimed(prefix), {**values, **given})


def _counting(connection: BaseDatabaseWrapper, prefix: str = "") -> Statement:
    rows = Confirmation.objects.filter(pk=Given(f"{prefix}confirmation_id", BigIntegerField()))
    values = {
        "last_delivery_state": DeliveryState.SENT,
        "sends": F("sends") + 1,
        "last_sent_at": Given(f"{prefix}sent_at", DateTimeField()),
    }
    return statements.update(connection, rows, values)

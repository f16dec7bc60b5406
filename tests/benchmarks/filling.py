"""Large tables, filled by the database itself: copies of rows that the package wrote.

Columns that are unknown here get the value of the copied row.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.color import no_style
from django.db import connection
from django.db.models import DateTimeField, F, Max, Model

from resend_confirmation import engine, start
from resend_confirmation.models import Confirmation, Cooldown, Delivery

#: A text like a digest, and the time so many seconds ago.
_EXPRESSIONS = {
    "sqlite": (
        "lower(hex(randomblob(32)))",
        "strftime('%Y-%m-%d %H:%M:%f', 'now', (-({ago})) || ' seconds')",
    ),
    "postgresql": (
        "md5(random()::text || n) || md5(n || random()::text)",
        "now() - ({ago}) * interval '1 second'",
    ),
}
_INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master"
    " WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = %s",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s"
    " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
}
#: Without and with checks of foreign keys, which take longer than the rows.
_UNCHECKED = {
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
    "postgresql": ("SET session_replication_role = replica", "RESET session_replication_role"),
}
DAY = timedelta(days=1)


def tables() -> list[type[Model]]:
    """Return the models of the tables that are filled."""
    return [get_user_model(), Confirmation, Cooldown, Delivery]


@contextmanager
def in_bulk() -> Iterator[None]:
    """Remove our indexes and checks of foreign keys, and restore them at the end."""
    off, on = _UNCHECKED[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(off)
        indexes = []
        # An index on an expression has statistics, which a new one lacks.
        for model in tables()[1:]:
            cursor.execute(_INDEXES[connection.vendor], [model._meta.db_table])
            indexes += cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {connection.ops.quote_name(name)}")
        yield
        for _, sql in indexes:
            cursor.execute(sql)
        cursor.execute(on)


class Templates:
    """The rows that are copied: an account and its sent message, and a message that waits."""

    def __init__(self) -> None:
        create = get_user_model()._default_manager.create
        self.user = create(username="sent", email="sent@example.com")
        self.confirmation = start(self.user)
        assert engine.drain().sent == 1
        waiting = start(create(username="waiting", email="waiting@example.com"))
        self.waiting = waiting.deliveries.get()
        # It is not due as long as the benchmark lasts.
        Delivery.objects.filter(pk=self.waiting.pk).update(not_before=F("asked_at") + DAY)

    def copy(self, accounts: int, deliveries: int = 0) -> None:
        """Add pending accounts, each with a cooldown that is over, and deliveries to them.

        One delivery in ten waits, every second of those is due, and no account has two of them.
        """
        users, confirmations = _last(get_user_model()), _last(Confirmation)
        owner = f"n + {users - confirmations}"
        _copy(self.user, accounts, id="n", username=_text("n"), email=_text("n"))
        _copy(self.confirmation, accounts, id="n", account_id=owner, address=_text(owner))
        _copy(Cooldown.objects.get(pk=self.confirmation.cooldown_id), accounts)
        waiting = min(deliveries // 10, accounts)
        of = {"confirmation_id": f"{confirmations + 1} + n % {accounts}"}
        state = "CASE n % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'ignored' ELSE 'sent' END"
        ids = {"message_id": _text("n"), "provider_id": _text("n + 1")}
        sent = self.confirmation.deliveries.get()
        _copy(sent, deliveries - waiting, **of, **ids, state=state)
        due_at = _ago("(n % 2 * 2 - 1) * (60 + n % 40000)")
        _copy(self.waiting, waiting, **of, not_before=due_at)
        with connection.cursor() as cursor:
            for sql in connection.ops.sequence_reset_sql(no_style(), tables()):
                cursor.execute(sql)


def _last(model: Any) -> int:
    return int(model._base_manager.aggregate(last=Max("pk"))["last"])


def _text(number: str) -> str:
    return f"'copy' || ({number}) || '@example.org'"


def _ago(seconds: str) -> str:
    return _EXPRESSIONS[connection.vendor][1].format(ago=seconds)


def _copy(template: Any, count: int, **given: str) -> None:
    """Insert copies with the columns ``given`` in SQL, in which ``n`` counts on from the last key.

    Times are between two and thirty days ago, and texts like digests are random.
    """
    if not count:
        return
    quote, meta = connection.ops.quote_name, template._meta
    values = {}
    for field in meta.concrete_fields:
        value, column = getattr(template, field.attname), field.column
        if column in given:
            values[column] = given[column]
        elif isinstance(field, DateTimeField) and value:
            values[column] = _ago("2592000 - n % 2419200")
        elif isinstance(value, str) and re.fullmatch("[0-9a-f]{32,64}", value):
            random = _EXPRESSIONS[connection.vendor][0]
            values[column] = f"substr({random}, 1, {len(value)})"
        elif not field.primary_key:
            values[column] = f"template.{quote(column)}"
    first = _last(type(template)) + 1 if isinstance(template.pk, int) else 1
    table, columns = quote(meta.db_table), ", ".join(map(quote, values))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) WITH RECURSIVE series(n) AS (SELECT {first} "
            f"UNION ALL SELECT n + 1 FROM series WHERE n < {first + count - 1}) "
            f"SELECT {', '.join(values.values())} FROM series, {table} AS template "
            f"WHERE template.{quote(meta.pk.column)} = '{template.pk}'"
        )

"""Bare tables: copies with a primary key and no other index, the floor for statements."""

from typing import Any

from django.db import connection, transaction

from resend_confirmation.limits import cooldown
from resend_confirmation.models import Cooldown, Delivery


def copy() -> None:
    """Copy the tables that a request writes to."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for model in (Cooldown, Delivery):
            columns = {quote(str(each.column)): each for each in model._meta.concrete_fields}
            typed = ", ".join(
                f"{name} {field.db_type(connection)}{' PRIMARY KEY' if field.primary_key else ''}"
                for name, field in columns.items()
            )
            table = quote(str(model._meta.db_table))
            cursor.execute(f"CREATE TABLE {_name(model)} ({typed})")
            cursor.execute(f"INSERT INTO {_name(model)} SELECT {', '.join(columns)} FROM {table}")


class Floor:
    """The least that a request costs: one row each is read, changed and inserted by its key."""

    def __init__(self, template: Delivery) -> None:
        fields = Delivery._meta.concrete_fields
        self.row = [
            field.get_db_prep_save(getattr(template, field.attname), connection) for field in fields
        ]
        # The key is the first column.
        self.row[0] = 10**12

    def request(self, address: str) -> None:
        """Read and change the row of an address, and insert a row."""
        self.row[0] += 1
        key, places = [cooldown.digest(address)], ", ".join(["%s"] * len(self.row))
        addresses, messages = _name(Cooldown), _name(Delivery)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {addresses} WHERE digest = %s", key)
            assert cursor.fetchone()
            cursor.execute(f"UPDATE {addresses} SET day_count = 2 WHERE digest = %s", key)
            cursor.execute(f"INSERT INTO {messages} VALUES ({places})", self.row)


def _name(model: Any) -> str:
    return f"bare_{model._meta.model_name}"

"""Copies of a row, many at once: bulk_create() prepares each of their columns and is slower."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Model


def copy_row(template: Model, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert ``template`` once for each of ``rows``, with that row's values under ``names``.

    ``names`` are attribute names of columns that hold text or numbers. A key is given by the
    database.
    """
    fields = [field for field in template._meta.concrete_fields if not field.primary_key]
    alike = {
        field.column: field.get_db_prep_save(getattr(template, field.attname), connection)
        for field in fields
        if field.attname not in names
    }
    columns = {field.attname: field.column for field in fields}
    quoted = [connection.ops.quote_name(str(c)) for c in [*(columns[n] for n in names), *alike]]
    table = connection.ops.quote_name(template._meta.db_table)
    marks = ", ".join(["%s"] * len(quoted))
    # The names are the models' own, quoted; values are parameters.
    statement = f"INSERT INTO {table} ({', '.join(quoted)}) VALUES ({marks})"  # noqa: S608 # nosec B608
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(statement, [(*row, *alike.values()) for row in rows])

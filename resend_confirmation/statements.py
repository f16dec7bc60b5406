"""Compilation of the ORM's queries to statements, with places for values.

Building a query takes several times as long as executing it.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, DateTimeField, Expression, Field, Model, QuerySet
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

from .addresses import Address
from .database import Places, Statement


class Given(Expression):
    """The place of a value in a query: a string, a number or a datetime, named ``name``."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        is_time = isinstance(self.output_field, DateTimeField)
        adapt = connection.ops.adapt_datetimefield_value if is_time else None
        return "%s", [_Key(self.name, adapt)]


class _Key:
    """The name of a Given, among a statement's parameters."""

    def __init__(self, name: str, adapt: Any) -> None:
        self.name, self.adapt = name, adapt

    def __str__(self) -> str:
        return _Pattern(self.name)


class _Pattern(str):
    """The name of a Given of which a look-up without regard to case makes a pattern."""

    __slots__ = ()

    def replace(self, *args: Any) -> "_Pattern":
        return self


class _AnyAddress(Address):
    spellings: Any = [Given("spelling", CharField())]
    fingerprint: Any = Given("fingerprint", CharField())


#: The place of an address with one spelling.
ANY_ADDRESS = _AnyAddress("", "")


def select(connection: BaseDatabaseWrapper, queryset: QuerySet[Any]) -> Statement:
    """Compile a SELECT."""
    compiler = queryset.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    return Statement(compiler, sql, parameters, _places(connection, parameters))


def update(
    connection: BaseDatabaseWrapper, queryset: QuerySet[Any], changes: Mapping[str, Any]
) -> Statement:
    """Compile an UPDATE of the rows in ``queryset``."""
    query: Any = queryset.query.chain(UpdateQuery)
    query.add_update_values(changes)
    compiler = query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    return Statement(compiler, sql, parameters, _places(connection, parameters))


def joined(sql: str, parts: Sequence[Statement]) -> Statement:
    """Return a statement with the SQL of ``parts``, one after the other, and their parameters."""
    parameters: list[Any] = []
    places: list[tuple[int, str, Any]] = []
    for part in parts:
        places += [(len(parameters) + index, name, adapt) for index, name, adapt in part.places]
        parameters += part.parameters
    return Statement(parts[0].compiler, sql, parameters, places)


def insert(
    connection: BaseDatabaseWrapper, model: type[Model], defaults: Collection[str]
) -> Statement:
    """Compile an INSERT of one row, whose key the database chooses.

    The columns ``defaults`` get the default of their fields, whatever the row has.
    """
    empty = model()
    fields = [
        each
        for each in model._meta.local_concrete_fields
        # A column that is left out is NULL.
        if each.name not in defaults or getattr(empty, each.attname) is not None
    ]
    fields.remove(model._meta.pk)
    query = InsertQuery(model)
    query.insert_values(fields, [empty])
    compiler: Any = query.get_compiler(connection=connection)
    compiler.returning_fields = [model._meta.pk]
    ((sql, parameters),) = compiler.as_sql()
    places = [
        (index, each.attname, partial(each.get_db_prep_save, connection=connection))
        for index, each in enumerate(fields)
        if each.name not in defaults
    ]
    return Statement(compiler, sql, parameters, places)


def insert_copies(
    connection: BaseDatabaseWrapper, template: Model, name: str, keys: QuerySet[Any]
) -> Statement:
    """Compile an INSERT of a copy of ``template`` for each row of ``keys``.

    ``keys`` selects one column, which the copies get in the column ``name``.
    """
    quote, meta = connection.ops.quote_name, template._meta
    own: Any = meta.get_field(name)
    fields: list[Any] = [f for f in meta.local_concrete_fields if not f.primary_key and f != own]
    values = [f.get_db_prep_save(getattr(template, f.attname), connection) for f in fields]
    compiler = keys.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    selected, _, rows = sql.partition(" FROM ")
    columns = ", ".join(quote(field.column) for field in (own, *fields))
    places = ", ".join(["%s"] * len(values))
    # The ORM compiled the parts, with placeholders instead of values.
    insert = f"INSERT INTO {quote(meta.db_table)} ({columns}) {selected}, {places} FROM {rows}"
    return Statement(compiler, insert, [*values, *parameters], [])


def insert_after(update: Statement, insert: Statement) -> Statement:
    """Combine both to one statement, which inserts if the UPDATE changes a row; for PostgreSQL."""
    head, _, values = insert.sql.partition(" VALUES (")
    values, _, returning = values.rpartition(") RETURNING ")
    # The ORM compiled the parts, with placeholders instead of values.
    sql = (
        f"WITH changed AS ({update.sql} RETURNING 1) "  # noqa: S608  # nosec B608
        f"{head} SELECT {values} FROM changed RETURNING {returning}"
    )
    return joined(sql, [update, insert])


def _places(connection: BaseDatabaseWrapper, parameters: Sequence[Any]) -> Places:
    pattern = connection.ops.prep_for_iexact_query
    return [
        (index, each, pattern) if isinstance(each, _Pattern) else (index, each.name, each.adapt)
        for index, each in enumerate(parameters)
        if isinstance(each, _Key | _Pattern)
    ]

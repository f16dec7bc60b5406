"""Statements that the ORM builds once for a connection, and that later calls give new values.

Building a query takes several times as long as executing it.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, TypeVar

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

T = TypeVar("T")

#: The attribute of a connection, which belongs to one thread, for its statements.
_ATTRIBUTE = "_resend_confirmation_statements"


class Given(Expression):
    """The place of a value in a query: a string, a number or a datetime, named ``name``."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        return "%s", [_Key(self.name)]


class _Key:
    """The name of a Given, among a statement's parameters."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return _Pattern(self.name)


class _Pattern(str):
    """The name of a Given of which a look-up without regard to case makes a pattern."""

    __slots__ = ()

    def replace(self, *args: Any) -> "_Pattern":
        return self


class Rows:
    """A SELECT; ``read`` returns instances of the model."""

    def __init__(self, connection: BaseDatabaseWrapper, queryset: QuerySet[Any]) -> None:
        self._compiler = queryset.query.get_compiler(connection=connection)
        self._sql, self._parameters = self._compiler.as_sql()
        query = SimpleNamespace(get_compiler=lambda using: self._compiler)
        self._source: Any = SimpleNamespace(
            db=connection.alias, query=query, _known_related_objects={}
        )

    def read(self, **values: Any) -> list[Any]:
        """Execute the statement with ``values`` by the names of each ``Given``."""
        found = _filled(self._compiler.connection, self._parameters, values)
        self._compiler.as_sql = lambda *args, **kwargs: (self._sql, found)
        return list(ModelIterable(self._source))


class Update:
    """An UPDATE; ``run`` returns the number of rows."""

    def __init__(
        self, connection: BaseDatabaseWrapper, queryset: QuerySet[Any], changes: Mapping[str, Any]
    ) -> None:
        query: Any = queryset.query.chain(UpdateQuery)
        query.add_update_values(changes)
        self._connection = connection
        self._sql, self._parameters = query.get_compiler(connection=connection).as_sql()

    def run(self, **values: Any) -> int:
        """Execute the statement with ``values`` by the names of each ``Given``."""
        parameters = _filled(self._connection, self._parameters, values)
        with (
            transaction.mark_for_rollback_on_error(using=self._connection.alias),
            self._connection.cursor() as cursor,
        ):
            cursor.execute(self._sql, parameters)
            return int(cursor.rowcount)


class Insert:
    """An INSERT of one row of ``model``, whose key the database chooses."""

    def __init__(self, connection: BaseDatabaseWrapper, model: type[Model]) -> None:
        self._key = model._meta.pk
        self._fields = [each for each in model._meta.local_concrete_fields if each != self._key]
        query = InsertQuery(model)
        query.insert_values(self._fields, [model()])
        self._compiler: Any = query.get_compiler(connection=connection)
        self._compiler.returning_fields = [self._key]
        ((self._sql, parameters),) = self._compiler.as_sql()
        self._rest = tuple(parameters[len(self._fields) :])

    def run(self, row: Model) -> None:
        """Insert ``row``, without the signals of ``save``, and set its key."""
        connection = self._compiler.connection
        values = (
            each.get_db_prep_save(getattr(row, each.attname), connection) for each in self._fields
        )
        self._compiler.as_sql = lambda: [(self._sql, (*values, *self._rest))]
        with transaction.mark_for_rollback_on_error(using=connection.alias):
            ((row.pk,),) = self._compiler.execute_sql([self._key])
        row._state.adding, row._state.db = False, connection.alias


def built(using: str, key: Hashable, build: Callable[[BaseDatabaseWrapper], T]) -> T:
    """Return the statement ``key`` of the current connection, built by ``build`` the first time.

    ``key`` contains everything that the SQL depends on, except for the connection.
    """
    connection = connections[using]
    known = vars(connection).setdefault(_ATTRIBUTE, {})
    if key not in known:
        known[key] = build(connection)
    found: T = known[key]
    return found


def _filled(
    connection: BaseDatabaseWrapper, parameters: Sequence[Any], values: Mapping[str, Any]
) -> tuple[Any, ...]:
    return tuple(_value(connection, values, each) for each in parameters)


def _value(connection: BaseDatabaseWrapper, values: Mapping[str, Any], parameter: Any) -> Any:
    if isinstance(parameter, _Pattern):
        return connection.ops.prep_for_iexact_query(values[parameter])
    if not isinstance(parameter, _Key):
        return parameter
    value = values[parameter.name]
    is_time = isinstance(value, datetime)
    return connection.ops.adapt_datetimefield_value(value) if is_time else value

"""The package's database: its alias, reads, transactions, retries and clock."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import wraps
from threading import Event
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import (
    Error,
    InterfaceError,
    InternalError,
    OperationalError,
    close_old_connections,
    connections,
    models,
    router,
    transaction,
)
from django.db.models.query import ModelIterable
from django.utils import timezone

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=models.Model)
Places = Sequence[tuple[int, str, Callable[[Any], Any] | None]]

#: Seconds for which a reading of the database's clock is extrapolated by this machine's uptime.
GOOD_FOR = 30.0

_SQL: Final = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    # UNIX_TIMESTAMP takes a local time, which is ambiguous for an hour a year.
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6",
}

#: Maximum number of runs of work that ends in deadlocks, including the first.
TRIES = 5
#: Error numbers of MariaDB and MySQL: record has changed since last read; deadlock found.
_DEADLOCK_NUMBERS = {1020, 1213}
#: SQLSTATEs of PostgreSQL: serialization failure, deadlock detected.
_DEADLOCK_STATES = {"40001", "40P01"}

#: Seconds for which work on a row is retried after a lost connection, before it is postponed.
RECONNECT_SECONDS = 5.0
#: Seconds before the first retry on a new connection, and the longest such wait.
FIRST_WAIT = 0.05
LONGEST_WAIT = 2.0
#: Errors of the connection or the server, after which a new connection may help. PostgreSQL raises
#: InternalError in read-only sessions.
DISCONNECTS = (OperationalError, InterfaceError, InternalError)


def using() -> str:
    """Return the alias of the database that the package's tables are written to."""
    return router.db_for_write(apps.get_model("resend_confirmation", "Delivery"))


class PrimaryManager(models.Manager[M]):
    """A manager that reads from the database that is written to.

    Decisions depend on current rows: a replica may not have a sign-up yet, or may show a used
    link as unused. ``using`` and ``db_manager`` choose another database as usual.
    """

    def get_queryset(self) -> models.QuerySet[M]:
        return super().get_queryset().using(self._db or router.db_for_write(self.model))


def atomic(*, durable: bool = False) -> Any:
    """Return a transaction on the package's database, or a savepoint inside a transaction."""
    return transaction.atomic(using=using(), durable=durable)


def roll_back() -> None:
    """Undo the innermost ``atomic`` block at its end, without an exception."""
    transaction.set_rollback(True, using=using())


def on_commit(work: Callable[[], Any]) -> None:
    """Call ``work`` after the commit of the current transaction, or now outside of one.

    Its exceptions are logged and not raised, since the rows are committed by then.
    """
    transaction.on_commit(work, using=using(), robust=True)


def retry_on_deadlock(work: Callable[P, R]) -> Callable[P, R]:
    """Run ``work``, a single transaction, again if the database ended it because of a deadlock.

    InnoDB ends all but one of the transactions that wait to insert a row after another transaction
    rolled its insert back. An example is the first requests for an address while its sign-up fails.
    Inside the caller's transaction the error is raised, since only the caller can repeat that.
    """

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        connection = transaction.get_connection(using())
        for _ in range(TRIES - 1):
            if connection.in_atomic_block:
                break
            try:
                return work(*args, **kwargs)
            except OperationalError as error:
                if not _is_deadlock(error):
                    raise
        return work(*args, **kwargs)

    return run


def _is_deadlock(error: OperationalError) -> bool:
    number = error.args[0] if error.args else None
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return number in _DEADLOCK_NUMBERS or sqlstate in _DEADLOCK_STATES


def retry_on_disconnect(
    work: Callable[[], R], until: float, errors: tuple[type[Error], ...] = DISCONNECTS
) -> R:
    """Return ``work()``, run again on a new database connection while it raises one of ``errors``.

    ``until`` is a time of ``time.monotonic()``, after which the last error is raised. Inside a
    transaction the error is raised at once. ``work`` must be idempotent, since the connection may
    be lost after a statement was executed.
    """
    wait = FIRST_WAIT
    while True:
        try:
            return work()
        except errors:
            connection = connections[using()]
            if connection.in_atomic_block or time.monotonic() + wait > until:
                raise
            with suppress(Error):
                connection.close()
                # The account store may use another connection.
                close_old_connections()
            Event().wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)


class Statement:
    """A statement that the ORM compiled once for a connection; ``statements`` makes it.

    ``places`` are the parameters that each execution replaces: their index and name, and the
    function that adapts the value to the database, if there is one.
    """

    def __init__(self, compiler: Any, sql: str, parameters: Sequence[Any], places: Places) -> None:
        self.compiler, self.sql = compiler, sql
        self.parameters, self.places = list(parameters), places
        rows: Any = models.QuerySet(compiler.query.model, using=compiler.connection.alias)
        rows._query = SimpleNamespace(get_compiler=lambda using: compiler)
        self._rows: Any = ModelIterable(rows)

    def read(self, **values: Any) -> list[Any]:
        """Execute a SELECT and return the instances of its model."""
        with self.compiler.connection.cursor() as cursor:
            cursor.execute(self.sql, self.filled(values))
            found = cursor.fetchall()
        if not found:
            return []
        self.compiler.execute_sql = lambda *args, **kwargs: [found]
        return list(self._rows)

    def run(self, **values: Any) -> int:
        """Execute an UPDATE and return the number of rows."""
        filled, connection = self.filled(values), self.compiler.connection
        broken = transaction.mark_for_rollback_on_error(using=connection.alias)
        with broken, connection.cursor() as cursor:
            cursor.execute(self.sql, filled)
            return int(cursor.rowcount)

    def insert(self, row: models.Model, **values: Any) -> bool:
        """Execute an INSERT, without the signals of ``save``, and set the key of ``row``.

        Return False if the statement has a condition that is not met.
        """
        filled, connection = self.filled({**vars(row), **values}), self.compiler.connection
        broken = transaction.mark_for_rollback_on_error(using=connection.alias)
        with broken, connection.cursor() as cursor:
            cursor.execute(self.sql, filled)
            # MySQL returns no columns, unlike MariaDB.
            returns = connection.features.can_return_columns_from_insert
            found = cursor.fetchone() if returns else (cursor.lastrowid,)
        if found is None:
            return False
        row.pk = found[0]
        row._state.adding, row._state.db = False, connection.alias
        return True

    def filled(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters with ``values`` in their places."""
        found = self.parameters.copy()
        for index, name, adapt in self.places:
            found[index] = adapt(values[name]) if adapt else values[name]
        return tuple(found)


def statement(
    key: Hashable, build: Callable[[Any], Statement], alias: str | None = None
) -> Statement:
    """Return the statement ``key`` of this thread's connection; ``build`` makes it once.

    ``key`` has to contain everything that the SQL depends on, apart from the connection.
    """
    connection = connections[alias or using()]
    known: dict[Hashable, Statement] = vars(connection).setdefault("_resend_confirmation", {})
    if key not in known:
        known[key] = build(connection)
    return known[key]


class Reading(NamedTuple):
    """The database's ``epoch``, read between the uptimes ``before`` and ``after``.

    ``tried`` is the uptime of the latest attempt to read the clock.
    """

    epoch: float
    before: float
    after: float
    tried: float


#: Readings by database alias, shared by all threads. A fork may keep those of its parent.
_readings: dict[str, Reading] = {}


def now() -> datetime:
    """Return the time of the database's clock, in the form of ``django.utils.timezone.now``.

    SQLite has no clock, so this machine's is used. For other databases a process reads the clock
    once in half a minute, with one statement. If that fails, the last reading is used further: a
    message that was sent must be marked.

    The result is never ahead of the database. A row that is due now is due for every process that
    looks for it by ``latest``.
    """
    reading = _reading()
    if reading is None:
        moment = datetime.now(tz=UTC)
    else:
        moment = datetime.fromtimestamp(reading.epoch + _uptime() - reading.after, tz=UTC)
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def latest() -> datetime:
    """Return a time that is never behind the database's clock.

    It is later than ``now`` by the duration of the reading.
    """
    moment = now()
    reading = _readings.get(using())
    return moment + timedelta(seconds=reading.after - reading.before) if reading else moment


def forget() -> None:
    """Drop all readings, so that the next call reads the database's clock."""
    _readings.clear()


def _uptime() -> float:
    """Return the uptime in seconds, including suspended time if the system has a clock for it."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()  # pragma: no cover - systems other than Linux


def _reading() -> Reading | None:
    """Return the reading to extrapolate from, or None if the database has no clock."""
    connection = connections[using()]
    sql = _SQL.get(connection.vendor)
    if sql is None:
        return None
    known = _readings.get(connection.alias)
    before = _uptime()
    if known is not None:
        if before - known.tried <= GOOD_FOR:
            return known
        # This is set first, so that other threads use the known reading and do not read as well.
        _readings[connection.alias] = known._replace(tried=before)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            epoch = float(cursor.fetchone()[0])
    except Error:
        if known is None:
            raise
        return known
    fresh = Reading(epoch, before, _uptime(), before)
    _readings[connection.alias] = fresh
    return fresh

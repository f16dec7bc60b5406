"""Drain the queue and print the number of statements of each kind, as JSON."""

import json
from collections import Counter
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402

CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN")
WRITES = ("INSERT", "UPDATE", "DELETE")

counts: Counter[str] = Counter(statements=0, control=0, commits=0)


def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Count a statement; one that writes outside of a transaction is a commit too."""
    counts["control" if sql.startswith(CONTROL) else "statements"] += 1
    connection = context["connection"]
    if sql.startswith(WRITES):
        counts["commits"] += not connection.in_atomic_block
        vars(connection)["_has_written"] = connection.in_atomic_block
    return execute(sql, params, many, context)


def commit(self: Any) -> None:
    """Count the end of a transaction, and its beginning, which no wrapper sees."""
    counts["control"] += 2
    counts["commits"] += vars(self).pop("_has_written", False)
    original(self)


original: Any = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

if __name__ == "__main__":
    BaseDatabaseWrapper._commit = commit  # type: ignore[attr-defined]
    connection_created.connect(
        lambda connection, **_: connection.execute_wrappers.append(count), weak=False
    )
    call_command("resend_confirmation", "drain", verbosity=0)
    print(json.dumps(counts))

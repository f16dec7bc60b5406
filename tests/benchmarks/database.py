"""Empty databases for a benchmark in this process."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

from django.db import DEFAULT_DB_ALIAS, connections


@contextmanager
def empty_database(suffix: str = "") -> Iterator[Callable[[], None]]:
    """Create a database with the site's tables, and drop it at the end.

    Yield a function that makes it the default database. A benchmark with several databases
    alternates between them, so that another load of the machine is the same for all.
    """
    usual, own = connections[DEFAULT_DB_ALIAS], connections.create_connection(DEFAULT_DB_ALIAS)
    own.settings_dict = deepcopy(usual.settings_dict)
    name, test = own.settings_dict["NAME"], own.settings_dict["TEST"]
    # The tests' database may be in use.
    path = test["NAME"] if own.vendor == "sqlite" else f"benchmark_{os.getpid()}"
    test["NAME"] = f"{path}{suffix}"

    def select() -> None:
        connections[DEFAULT_DB_ALIAS] = own

    select()
    own.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield select
    finally:
        select()
        own.creation.destroy_test_db(name, verbosity=0)
        connections[DEFAULT_DB_ALIAS] = usual

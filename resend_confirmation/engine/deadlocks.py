"""Beginning again when the database chose us as the victim of a deadlock."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, router, transaction

from ..models import Delivery

P = ParamSpec("P")
R = TypeVar("R")

#: How often work is begun, the first time included.
TRIES = 5

#: MariaDB's and MySQL's errors: record has changed since last read; deadlock found.
_NUMBERS = {1020, 1213}
#: PostgreSQL's, which are the SQL standard's: serialization failure, deadlock detected.
_STATES = {"40001", "40P01"}


def retried(work: Callable[P, R]) -> Callable[P, R]:
    """Run ``work``, which is one transaction, again when it fell to a deadlock.

    InnoDB kills all but one of those who wait to insert the row that another rolled back: the
    first asks for one address, beside a sign-up that failed. Within a transaction of the
    caller's the error goes up, since only the caller can begin that anew.
    """

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        connection = transaction.get_connection(router.db_for_write(Delivery))
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
    return number in _NUMBERS or getattr(error.__cause__, "sqlstate", None) in _STATES

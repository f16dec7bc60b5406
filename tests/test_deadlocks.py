"""Work that fails because of a deadlock is retried."""

import pytest
from django.db import OperationalError, transaction

from resend_confirmation import database

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock")


class Work:
    """Work that raises the given errors, one for each call."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, name):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return f"done for {name}"


def run(work):
    return database.retry_on_deadlock(work)("ann")


def test_retried():
    """The result of the first successful run is returned."""
    work = Work(*[DEADLOCK] * 4)
    assert run(work) == "done for ann"
    assert work.calls == 5


def test_given_up():
    """After five deadlocks the error is raised."""
    work = Work(*[DEADLOCK] * 5)
    with pytest.raises(OperationalError, match="Deadlock found"):
        run(work)
    assert work.calls == 5


def test_another_error():
    """Another error is not retried."""
    work = Work(OperationalError(2013, "Lost connection"))
    with pytest.raises(OperationalError, match="Lost connection"):
        run(work)
    assert work.calls == 1


def test_in_a_transaction():
    """Nothing is retried within the caller's transaction."""
    work = Work(DEADLOCK)
    with pytest.raises(OperationalError, match="Deadlock found"), transaction.atomic():
        run(work)
    assert work.calls == 1

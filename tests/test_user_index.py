"""W038: an index for looking users up by address."""

import pytest
from django.core.checks import run_checks
from django.db import connection

from resend_confirmation.accounts import ConfirmationStore
from resend_confirmation.checks import users

from .factories import UserFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

#: As documented.
INDEX = {
    "postgresql": "CREATE INDEX user_email_upper ON auth_user (UPPER(email))",
    "sqlite": "CREATE INDEX user_email_nocase ON auth_user (email COLLATE NOCASE)",
    "mysql": "CREATE INDEX user_email ON auth_user (email)",
}


def found(deploy=True, databases=("default",)):
    messages = run_checks(
        tags=["resend_confirmation"], include_deployment_checks=deploy, databases=databases
    )
    return [m.id for m in messages if m.id == "resend_confirmation.W038"]


@pytest.fixture
def many(monkeypatch):
    """Enough users for a planner to use an index, and for a warning."""
    monkeypatch.setattr(users, "MANY", 999)
    model = type(UserFactory.build())
    model.objects.bulk_create(
        model(username=f"user{number}", email=f"user{number}@example.com") for number in range(1000)
    )


def test_w038_no_index(many):
    """W038: many users are looked up by address without an index."""
    assert found() == ["resend_confirmation.W038"]


def test_few_users(many, monkeypatch):
    """Few users need no index."""
    monkeypatch.setattr(users, "MANY", 1000)
    assert found() == []


@pytest.mark.parametrize("given", [{"databases": []}, {"deploy": False}])
def test_when_it_runs(many, given):
    """It runs with deployment checks and database checks only."""
    assert found(**given) == []


def test_another_store(many, change):
    """A store that may look for addresses elsewhere is not checked."""
    change(ACCOUNTS="tests.test_user_index.Elsewhere")
    assert found() == []


class Elsewhere(ConfirmationStore):
    """A store with a table of addresses."""


@pytest.mark.django_db(transaction=True)
def test_documented_index(many):
    """The documented index is enough."""
    sql = INDEX[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(sql)
        try:
            assert found() == []
        finally:
            name = sql.split()[2]
            of_table = " ON auth_user" if connection.vendor == "mysql" else ""
            cursor.execute(f"DROP INDEX {name}{of_table}")

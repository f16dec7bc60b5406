"""Changes by another transaction between reading and confirming an account."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction

from resend_confirmation import accounts, engine, start
from resend_confirmation.accounts import ConfirmationStore, FlagStore
from resend_confirmation.models import Confirmation, Cooldown
from resend_confirmation.outcomes import ConfirmationState, Standing
from tests.factories import UserFactory, address_of

pytestmark = pytest.mark.database

User = get_user_model()
NEW = "bob@example.org"


def move(account):
    User.objects.filter(pk=account.user.pk).update(email=NEW)


class Racing(ConfirmationStore):
    """The address changes right before the confirmation."""

    def confirm(self, account):
        move(account)
        return super().confirm(account)


class RacingFlags(FlagStore):
    """The address changes right before the activation."""

    def confirm(self, account):
        move(account)
        return super().confirm(account)


@pytest.mark.django_db
@pytest.mark.parametrize("store", ["Racing", "RacingFlags"])
def test_within_the_mark(change, store):
    """If the account's address has changed, nothing is confirmed."""
    change(ACCOUNTS=f"{__name__}.{store}")
    user = UserFactory.create(username="eve", is_active=store == "Racing")
    confirmation = start(user, send=False)
    assert engine.confirm_by_hand(confirmation) is False
    user.refresh_from_db()
    assert user.is_active is (store == "Racing")
    assert Confirmation.objects.get().state == ConfirmationState.PENDING


def is_waited_for():
    """Return whether another session waits for a lock that this session holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            if connection.vendor == "postgresql"
            else "SELECT count(*) FROM information_schema.innodb_lock_waits JOIN"
            " information_schema.innodb_trx ON trx_id = blocking_trx_id"
            " WHERE trx_mysql_thread_id = connection_id()"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="has one writer at a time, and no locks")
@pytest.mark.parametrize("act", ["press", "renew", "elsewhere"])
@pytest.mark.parametrize("store", [ConfirmationStore, FlagStore])
def test_in_another_transaction(change, store, act, arrived):
    """An address that changes in a concurrent transaction is not confirmed."""
    change(ACCOUNTS=f"{store.__module__}.{store.__name__}", CLIENTS=[{"name": "site"}])
    user = UserFactory.create(username="eve", is_active=store is ConfirmationStore)
    start(user)
    ((_, body),) = arrived()
    token = body.partition("token=")[2][:43]
    if act == "renew":
        Confirmation.objects.get().deliveries.update(link_expires_at="2001-01-01T00:00:00Z")
        Cooldown.objects.all().delete()
    opened = engine.inspect(token).confirmation
    assert opened is not None
    acts = {
        "press": lambda: engine.confirm_by_hand(opened),
        "renew": lambda: engine.renew(token),
        "elsewhere": lambda: engine.note_confirmed(user, "eve@example.com"),
    }

    def run():
        try:
            return acts[act]()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(email=NEW)
            running = pool.submit(run)
            until = time.monotonic() + 15
            while not is_waited_for() and not running.done():
                assert time.monotonic() < until
                # MariaDB refreshes this table only if it was not read for 0.1 s.
                time.sleep(0.15)
        assert not running.result(30)
    assert Confirmation.objects.get(address="eve@example.com").state == ConfirmationState.PENDING
    found = accounts.store().get(user.pk, address_of(NEW))
    assert found is not None
    if store is FlagStore:
        assert found.standing is not Standing.CONFIRMED
    assert arrived() == []

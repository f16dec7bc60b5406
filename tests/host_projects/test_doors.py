"""The command, admin, checks and signals on hosts with other users and databases."""

import json
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connections, router, transaction
from django.test import Client

from resend_confirmation import engine, start
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import ConfirmationState, DeliveryState
from resend_confirmation.signals import confirmed, delivery_changed
from tests.factories import PendingFactory, UserFactory

pytestmark = [
    pytest.mark.database,
    pytest.mark.django,
    pytest.mark.django_db(databases=[*settings.DATABASES]),
]

CONFIRMATIONS = "/admin/resend_confirmation/confirmation/"
DELIVERIES = "/admin/resend_confirmation/delivery/"


@pytest.fixture
def run(db):
    """Return a function that runs a subcommand and returns output and exit code."""

    def run(*arguments) -> tuple[str, int]:
        out = StringIO()
        try:
            call_command("resend_confirmation", *arguments, stdout=out, stderr=StringIO())
        except CommandError as error:
            return out.getvalue(), error.returncode
        return out.getvalue(), 0

    return run


def test_checks():
    """Django's checks report nothing, including database checks."""
    out = StringIO()
    call_command("check", databases=[*settings.DATABASES], stdout=out)
    assert "no issues" in out.getvalue()


def test_migrations():
    """The migrations match the models."""
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_command(run, clock):
    """The subcommands send, drain, status and prune work."""
    PendingFactory(username="pending", email="pending@example.com")
    PendingFactory(username="other", email="other@example.com")
    assert run("send", "pending@example.com") == ("pending@example.com: queued\n", 0)
    # Sorted here, since the order of UUIDs is random.
    said, code = run("send", "--pending")
    assert (sorted(said.splitlines()), code) == (["already under way: 1", "queued: 1"], 0)
    assert run("drain") == ("resolved: 0, sent: 2, not sent: 0\n", 0)
    assert sorted(letter.to for letter in mail.outbox) == [
        ["other@example.com"],
        ["pending@example.com"],
    ]
    counted = json.loads(run("status", "--json")[0])
    assert (counted["deliveries"]["sent"], counted["confirmations"]["pending"]) == (2, 2)
    assert (counted["due"], counted["oldest_due_seconds"]) == (0, None)
    clock.epoch += 365 * 24 * 3600
    # Two messages, their cooldowns, two counts of their hour, and the row of the last pruning.
    assert run("prune") == ("deleted: 7\n", 0)
    assert (Delivery.objects.count(), Cooldown.objects.count()) == (0, 0)


def test_status_shows_the_seconds_overdue(run, clock):
    """``oldest_due_seconds`` does not depend on the time zone."""
    start(UserFactory(username="pending"))
    clock.epoch += 90
    counted = json.loads(run("status", "--json")[0])
    assert (counted["due"], counted["oldest_due_seconds"]) == (1, 90.0)


@pytest.fixture
def root(clock):
    """A test client that is logged in as a superuser."""
    browser = Client()
    user: Any = UserFactory(username="root", is_staff=True, is_superuser=True)
    browser.force_login(user)
    return browser


@pytest.mark.parametrize("page", ["", "?q=pending@example.com", "?state__exact=pending"])
def test_admins_lists(page, root):
    """The lists of confirmations and deliveries work, with search and filter."""
    start(UserFactory(username="pending", email="pending@example.com"))
    engine.drain()
    for path in (CONFIRMATIONS, DELIVERIES):
        shown = root.get(path + page.replace("state__exact=pending", "state__exact=sent"))
        assert shown.status_code == 200
    assert b"pending@example.com" in root.get(CONFIRMATIONS + page).content


@pytest.mark.parametrize(
    ("action", "state", "messages"),
    [("resend", "pending", 1), ("withdraw", "withdrawn", 0), ("confirm", "confirmed", 0)],
)
def test_admins_actions(action, state, messages, root):
    """Each action has its effect and a log entry."""
    PendingFactory(username="pending", email="pending@example.com")
    confirmation = Confirmation.objects.get()
    done = root.post(
        CONFIRMATIONS,
        {
            "action": action,
            "_selected_action": [confirmation.pk],
            "post": "yes",
            "newest": confirmation.pk,
        },
        follow=True,
    )
    assert done.status_code == 200
    assert Confirmation.objects.get().state == state
    assert LogEntry.objects.get().object_id == str(confirmation.pk)
    engine.drain()
    assert len(mail.outbox) == messages
    assert root.get(f"{CONFIRMATIONS}{confirmation.pk}/change/").status_code == 200


@pytest.mark.django_db(transaction=True, databases=[*settings.DATABASES])
def test_wakes_after_the_commit_of_its_own_database(monkeypatch):
    """The carrier is woken and signals are sent after the commit in our models' database."""
    alias = router.db_for_write(Delivery)
    told = []
    monkeypatch.setattr("resend_confirmation.deliveries.wake.wake", lambda: told.append("woken"))

    def tell(sender, state, **given):
        told.append(state)

    delivery_changed.connect(tell)
    try:
        with transaction.atomic(using=alias):
            start(UserFactory(username="pending"))
            assert told == []
        assert told == ["woken", DeliveryState.QUEUED]
    finally:
        delivery_changed.disconnect(tell)


def test_deactivated_by_staff(settings):
    """A deactivation by staff is noticed, even if reads go to a replica that lags."""
    given = {"ACCOUNTS": "resend_confirmation.accounts.FlagStore"}
    settings.RESEND_CONFIRMATION = {**settings.RESEND_CONFIRMATION, **given}
    if "copy" in settings.DATABASES:
        settings.DATABASE_ROUTERS = ["tests.host_projects.routing.CopyRouter"]
    made = UserFactory.create(username="gone")
    users = get_user_model()._default_manager.using(router.db_for_write(get_user_model()))
    user = users.get(pk=made.pk)
    user.is_active = False
    user.save()
    assert Confirmation.objects.get().state == ConfirmationState.WITHDRAWN


def test_confirmed_is_told_in_the_transaction_of_ours(clock):
    """``confirmed`` is sent within the transaction of our models' database."""
    PendingFactory(username="pending")
    seen = []

    def hear(sender, confirmation, user, **given):
        connection = connections[router.db_for_write(Confirmation)]
        seen.append((connection.in_atomic_block, confirmation.state, user.pk))

    confirmed.connect(hear)
    try:
        assert engine.confirm_by_hand(Confirmation.objects.get())
    finally:
        confirmed.disconnect(hear)
    user = get_user_model().objects.get()
    assert seen == [(True, ConfirmationState.CONFIRMED, user.pk)]

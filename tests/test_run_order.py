"""Bulk runs beside people and other processes: who comes first, and who gets how many messages."""

from collections import Counter
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from resend_confirmation import accounts, clients, engine
from resend_confirmation.engine import ResendRequest, signup
from resend_confirmation.limits import cooldown
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Run
from resend_confirmation.outcomes import Outcome

from .factories import PendingFactory, UserFactory
from .test_command import Ran, waiting
from .test_cooldown_race import at_once, errors_in

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def ask(name):
    request = ResendRequest(identity=name, client=clients.default())
    return engine.resend(request).ending


def recipients():
    return [each.to[0].partition("@")[0] for each in mail.outbox]


def test_people_come_first():
    """Before 100,000 due messages of a run, a person's is the next or the second next."""
    for number in range(40):
        waiting(f"p{number}")
    waiting("fresh")
    Ran("send", "--pending", "--run", "a", "--limit", "40")
    now = timezone.now()
    Delivery.objects.create(
        state="queued", priority=1, run=Run.objects.get(), asked_at=now, not_before=now
    )
    names = ", ".join(str(f.column) for f in Delivery._meta.concrete_fields if not f.primary_key)
    copy = f"INSERT INTO resend_confirmation_delivery ({names}) SELECT {names} FROM "
    with connection.cursor() as cursor:
        while (count := Delivery.objects.filter(confirmation=None).count()) < 100_000:
            cursor.execute(
                f"{copy} resend_confirmation_delivery WHERE confirmation_id IS NULL LIMIT %s",
                [min(count, 100_000 - count)],
            )
    asked_after: list[int] = []

    def ask_in_between():
        if len(mail.outbox) >= 20 and not asked_after:
            asked_after.append(len(mail.outbox))
            assert ask("fresh") is Outcome.SENT
        return False

    assert engine.drain(40, ask_in_between).sent == 40
    assert recipients().index("fresh") - asked_after[0] <= 1


def test_a_person_does_not_wait_for_a_run():
    """What a person asks for replaces the message of a run that waits, which is not sent."""
    waiting("ann")
    Ran("send", "--pending", "--rate", "1/h")
    Delivery.objects.update(not_before=timezone.now() + timedelta(hours=1))
    Cooldown.objects.update(last_at=timezone.now() - timedelta(hours=2))
    assert ask("ann") is Outcome.SENT
    assert engine.drain().sent == 1
    states = Delivery.objects.order_by("pk").values_list("state", "reason")
    assert list(states) == [("superseded", "superseded"), ("sent", "")]


def test_a_run_replaces_nothing_that_a_person_asked_for():
    """A message that a run queued at the same moment does not end the person's."""
    user = waiting("ann")
    assert ask("ann") is Outcome.SENT
    now, row = timezone.now(), Confirmation.objects.get(account=user)
    Delivery.objects.create(
        confirmation=row, priority=1, state="queued", asked_at=now, not_before=now
    )
    assert engine.drain(1).sent == 1
    assert Delivery.objects.earliest("pk").state == "sent"


def test_several_processes_of_one_run():
    """Of calls for the same run at the same time, one writes to each account."""
    for number in range(60):
        waiting(f"p{number}")
    calls = at_once(lambda place: Ran("send", "--pending", "--run", "a", "--batch-size", "7"), 4)
    assert errors_in(calls) == []
    assert [ran.code for ran in calls] == [0] * 4
    assert (
        Counter(Delivery.objects.values_list("confirmation", flat=True)).most_common(1)[0][1] == 1
    )
    assert Delivery.objects.count() == Run.objects.get().queued == 60


def test_people_who_ask_meanwhile():
    """A cooldown has one slot, whether a person or a run takes it."""
    for number in range(8):
        waiting(f"p{number}")

    def go(place):
        if place % 2:
            return Ran("send", "--pending", "--run", f"r{place}", "--batch-size", "3").code
        return [ask(f"p{number}") for number in range(8)]

    results = at_once(go, 6)
    assert errors_in(results) == []
    assert set(Cooldown.objects.values_list("hour_count", flat=True)) == {1}
    with_slot = Delivery.objects.exclude(slot_at=None).values_list("confirmation", flat=True)
    assert Counter(with_slot) == dict.fromkeys(Confirmation.objects.values_list("pk", flat=True), 1)


def test_first_slots_that_another_takes():
    """If a first slot goes between the look-up and the INSERT, that message waits."""
    waiting("ann")
    waiting("ben")
    insert = cooldown.insert
    rival: list[bool] = []

    def insert_later(keys, now, **values):
        if not rival:
            rival.append(insert(sorted(keys)[:1], now, **values))
        return insert(keys, now, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooldown, "insert", insert_later)
        assert sorted(Ran("send", "--pending").lines) == [
            "queued after the cooldown: 1",
            "queued: 1",
        ]
    assert set(Cooldown.objects.values_list("hour_count", flat=True)) == {1}
    assert Cooldown.objects.count() == 2


def test_confirmations_that_another_starts(change, monkeypatch):
    """If a confirmation appears between the look-up and the INSERT, it is used."""
    change(ACCOUNTS="tests.test_bulk.Everybody")
    users = [UserFactory(username=name) for name in ("ann", "ben")]
    find = signup._with_confirmation

    def find_then_start(some):
        found = find(some)
        engine.start(users[0], send=False)
        return found

    monkeypatch.setattr(signup, "_with_confirmation", find_then_start)
    assert Ran("send", "--pending").lines == ["queued: 2"]
    assert Confirmation.objects.count() == 2
    assert engine.drain().sent == 2


def test_a_new_secret_key(settings, pending):
    """A new key does not end the cooldowns that a run has to wait for."""
    assert ask("pending") is Outcome.SENT
    engine.drain()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "new" * 20
    accounts.store()
    assert Ran("send", "--pending").lines == ["queued after the cooldown: 1"]
    assert Cooldown.objects.count() == 1


def test_rows_of_the_version_before():
    """A row that a process without the column inserts has the priority of people."""
    now = timezone.now()
    row = Delivery(state="sent", asked_at=now, not_before=now)
    fields = [f for f in Delivery._meta.concrete_fields if f.name not in {"id", "priority", "run"}]
    values = [f.get_db_prep_save(getattr(row, f.attname), connection) for f in fields]
    names, places = ", ".join(str(f.column) for f in fields), ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO resend_confirmation_delivery ({names}) VALUES ({places})",
            values,
        )
    assert Delivery.objects.get().priority == 0


def test_accounts_with_one_address_in_two_batches():
    """The second account's message waits for the first one's gap."""
    for name in ("one", "two"):
        PendingFactory(username=name, email="shared@example.com")
    ran = Ran("send", "--pending", "--batch-size", "1")
    assert sorted(ran.lines) == ["queued after the cooldown: 1", "queued: 1"]

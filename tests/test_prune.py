"""Pruning of old rows, in batches."""

from datetime import timedelta
from threading import Event
from unittest import mock

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from resend_confirmation import engine, start
from resend_confirmation.courier import send_due
from resend_confirmation.deliveries import states
from resend_confirmation.engine import retention
from resend_confirmation.limits import cooldown
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import DeliveryState

pytestmark = [pytest.mark.database, pytest.mark.django_db]

DAY = timedelta(days=1)


def delivery(clock, state="sent", age=timedelta(), **values):
    """Create a delivery that was requested ``age`` ago."""
    asked_at = clock.now - age
    return Delivery.objects.create(state=state, asked_at=asked_at, not_before=asked_at, **values)


def prune(batch=1000):
    return list(engine.prune(batch))


@pytest.mark.parametrize(
    "state",
    [
        "sent",
        "delivered",
        "bounced",
        "complained",
        "failed",
        "abandoned",
        "suppressed",
        "superseded",
        "unknown",
    ],
)
def test_ended(state, clock):
    """A delivery that has ended is pruned 90 days after its request."""
    delivery(clock, state, 90 * DAY + timedelta(seconds=1))
    kept = delivery(clock, state, 90 * DAY - timedelta(seconds=1))
    assert prune() == [1]
    assert Delivery.objects.get() == kept


def test_ignored(clock):
    """An ignored request is pruned after seven days."""
    delivery(clock, "ignored", 7 * DAY + timedelta(seconds=1))
    kept = delivery(clock, "ignored", 7 * DAY - timedelta(seconds=1))
    assert prune() == [1]
    assert Delivery.objects.get() == kept


def test_retention(clock, change):
    """RETENTION sets both times."""
    change(RETENTION={"ended": 3600, "ignored": 60})
    delivery(clock, "sent", timedelta(minutes=61))
    delivery(clock, "ignored", timedelta(minutes=2))
    kept = [
        delivery(clock, "sent", timedelta(minutes=59)),
        delivery(clock, "ignored", timedelta(seconds=59)),
    ]
    assert prune() == [1, 1]
    assert list(Delivery.objects.order_by("pk")) == kept


@pytest.mark.parametrize("state", ["asked", "queued", "sending"])
def test_on_its_way(state, clock):
    """A delivery that has not ended is kept, regardless of its age."""
    delivery(clock, state, 1000 * DAY)
    assert prune() == []
    assert Delivery.objects.exists()


def test_every_state_is_decided():
    """Every state is either kept or pruned."""
    kept = {DeliveryState.ASKED, DeliveryState.QUEUED, DeliveryState.SENDING}
    from_pruning = set(states.ENDED) | {DeliveryState.IGNORED}
    assert from_pruning | kept == set(DeliveryState)
    assert not from_pruning & kept


def test_a_valid_link(clock):
    """A delivery is kept while its link is valid, since the link needs its row."""
    alive = delivery(clock, "delivered", 200 * DAY, link_expires_at=clock.now + DAY)
    delivery(clock, "delivered", 200 * DAY, link_expires_at=clock.now - DAY)
    assert prune() == [1]
    assert Delivery.objects.get() == alive
    clock.move(days=2)
    assert prune() == [1]


def test_confirmations_stay(pending, clock):
    """Confirmations and suppressions are not pruned."""
    start(pending)
    send_due()
    Suppression.objects.create(digest="x", why="bounced", since=clock.now)
    clock.move(days=4000)
    assert prune() == [1, 1]
    confirmation = Confirmation.objects.get()
    assert (confirmation.sends, confirmation.last_delivery_state) == (1, "sent")
    assert Suppression.objects.exists()
    # The account can get another message.
    start(pending)
    assert send_due().sent == 1


def test_cooldowns(clock, change):
    """Cooldowns are pruned when all of their windows have ended, including a long COOLDOWN."""
    cooldown.take("a@example.com")
    clock.move(hours=47)
    assert prune() == []
    clock.move(hours=2)
    change(COOLDOWN=["1/7d"])
    assert prune() == []
    change(COOLDOWN=["1/60s"])
    assert prune() == [1]
    assert not Cooldown.objects.exists()


def test_cooldown_of_a_late_message(clock):
    """A cooldown is kept for as long after its last message as after its last request."""
    for name in ("sent", "sent lately"):
        cooldown.take(name)
    lately = Cooldown.objects.filter(digest=cooldown.digest("sent lately"))
    Cooldown.objects.update(sent_at=clock.now)
    clock.move(hours=49)
    lately.update(sent_at=clock.now - timedelta(hours=47))
    assert prune() == [1]
    assert Cooldown.objects.get() == lately.get()


def test_cooldown_taken_concurrently(clock, monkeypatch):
    """A cooldown that is taken between query and deletion is kept."""
    cooldown.take("a@example.com")
    clock.move(days=3)
    delete, taken = QuerySet.delete, []

    def take_first(rows):
        taken.append(cooldown.take("a@example.com"))
        return delete(rows)

    monkeypatch.setattr(QuerySet, "delete", take_first)
    assert prune() == [0]
    assert taken == [0]
    assert cooldown.take("a@example.com") == 60


def test_batches(clock):
    """Each batch is deleted by a separate statement."""
    for _ in range(5):
        delivery(clock, "ignored", 8 * DAY)
    with CaptureQueriesContext(connection) as queries:
        assert prune(2) == [2, 2, 1]
    deletes = [query["sql"] for query in queries if query["sql"].startswith("DELETE")]
    assert len(deletes) == 3


@pytest.mark.django_db(transaction=True)
def test_resumed(clock):
    """Each batch is committed; if a run stops, the next run continues."""
    for _ in range(5):
        delivery(clock, "ignored", 8 * DAY)
    assert next(engine.prune(2)) == 2
    connection.close()
    assert Delivery.objects.count() == 3
    assert prune(2) == [2, 1]


def test_two_at_once(clock):
    """Two runs of prune at once do not block each other."""
    for _ in range(6):
        delivery(clock, "ignored", 8 * DAY)
    one, two = engine.prune(2), engine.prune(2)
    assert [next(one), next(two), next(one)] == [2, 2, 2]
    assert [*one, *two] == []


# Pruning by couriers


def drain_all():
    for _ in engine.rounds():
        pass


def test_drained_and_pruned(clock):
    """Couriers prune at the start and then every ten minutes."""
    delivery(clock, "ignored", 8 * DAY)
    drain_all()
    assert not Delivery.objects.exists()
    delivery(clock, "ignored", 8 * DAY)
    for _ in range(3):
        drain_all()
    clock.move(minutes=9, seconds=59)
    drain_all()
    assert Delivery.objects.exists()
    clock.move(seconds=1)
    drain_all()
    assert not Delivery.objects.exists()


def test_a_bounded_batch(clock, monkeypatch):
    """A round prunes only a few batches; the rest follows a minute later."""
    monkeypatch.setattr(retention, "MOST_BATCHES", 1)
    for _ in range(1100):
        delivery(clock, "ignored", 8 * DAY)
    drain_all()
    assert Delivery.objects.count() == 100
    drain_all()
    assert Delivery.objects.count() == 100
    clock.move(minutes=1)
    drain_all()
    assert Delivery.objects.count() == 0


def test_pruning_that_fails_stops_no_courier(pending, clock, monkeypatch, caplog):
    """An error while pruning is logged, and messages are still sent."""
    monkeypatch.setattr(retention, "prune", mock.Mock(side_effect=RuntimeError("secret")))
    start(pending)
    drain_all()
    assert Delivery.objects.get().state == DeliveryState.SENT
    assert "Old rows could not be pruned" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_drain_all_prunes(clock):
    """``drain_all``, which thread carrier, ``work`` and tasks call, prunes too."""
    delivery(clock, "ignored", 8 * DAY)
    engine.drain_all(Event())
    assert not Delivery.objects.exists()


def test_a_courier_that_is_to_stop():
    """A courier that is asked to stop ends pruning after the current batch."""
    with mock.patch.object(retention, "prune", return_value=iter([1, 1, 1])):
        assert retention.sweep(lambda: True) == 1


def test_the_first_turn_of_two_at_once(clock):
    """If two couriers create the first turn at the same time, one of them prunes."""
    assert retention._take_turn(clock.now) is True
    with mock.patch.object(retention, "_turn", Cooldown.objects.none):
        assert retention._take_turn(clock.now) is False

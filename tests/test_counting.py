"""The counts of deliveries by hour, client and dialect, which couriers write."""

import re
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connections

from resend_confirmation import database, engine, start
from resend_confirmation.courier import send_due
from resend_confirmation.engine import counting
from resend_confirmation.engine.counting import Counted, Numbers
from resend_confirmation.models import Confirmation, Delivery, HourlyCount
from resend_confirmation.outcomes import Verdict

from .factories import PendingFactory
from .mailers import ScriptedBackend

pytestmark = [pytest.mark.database, pytest.mark.django_db]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def only_counts(monkeypatch):
    """Read nothing but the counts, as for large tables."""
    monkeypatch.setattr(counting, "FEW", -1)


def delivery(clock, state="sent", age=timedelta(), confirmation=None, **values):
    """Create a delivery that was requested ``age`` ago."""
    at = clock.now - age
    values = {"asked_at": at, "not_before": at, "client": "game", "dialect": "some", **values}
    return Delivery.objects.create(confirmation=confirmation, state=state, **values)


def confirmed(clock, age, after, **values):
    """Create a delivery that was sent ``age`` ago, and confirmed ``after`` that."""
    confirmation = Confirmation.objects.get(account=PendingFactory.create())
    at = clock.now - age
    row = delivery(clock, "sent", age, confirmation, sent_at=at)
    changes = {"state": "confirmed", "confirmed_at": at + after, "last_sent_at": at, **values}
    Confirmation.objects.filter(pk=confirmation.pk).update(**changes)
    return row


def count_all():
    for _ in range(8):
        counting.advance()


def read(period=DAY):
    (found,) = counting.read([period])
    return sorted(found)


def asked(period=DAY):
    return counting.total(each.numbers for each in read(period)).asked


def test_name():
    """A row is named by its hour, client and dialect."""
    hour = datetime(2030, 1, 2, 3, tzinfo=UTC)
    assert (
        str(HourlyCount(hour=hour, client="game", dialect="some")) == "2030-01-02 03:00 game some"
    )
    assert str(HourlyCount(hour=hour)) == "2030-01-02 03:00"


def test_states(clock):
    """Each state counts as what it tells about the message, and ignored requests as requested."""
    for state in ("asked", "queued", "sending", "ignored", "failed", "abandoned", "unknown"):
        delivery(clock, state)
    for state in ("suppressed", "superseded"):
        delivery(clock, state)
    for state in ("sent", "delivered", "delivered", "bounced", "complained"):
        delivery(clock, state)
    counting.advance()
    expected = Numbers(asked=14, sent=5, delivered=3, bounced=1, complained=1)
    assert read() == [Counted("game", "some", expected)]


def test_groups(clock):
    """Clients and dialects are counted separately, and so are rows without them."""
    delivery(clock, client="game", dialect="some")
    delivery(clock, client="game", dialect="")
    delivery(clock, client="", dialect="")
    delivery(clock, client="", dialect="", state="ignored")
    counting.advance()
    assert read() == [
        Counted("", "", Numbers(asked=2, sent=1)),
        Counted("game", "", Numbers(asked=1, sent=1)),
        Counted("game", "some", Numbers(asked=1, sent=1)),
    ]


def test_confirmed(clock):
    """The message before the confirmation counts, with the time that it took."""
    for after in (5 * timedelta(minutes=1), HOUR, DAY, DAY + timedelta(seconds=1)):
        confirmed(clock, 2 * DAY, after)
    # Not after a message, not by the recipient, and not any more.
    confirmed(clock, 2 * DAY, -timedelta(seconds=1))
    confirmed(clock, 2 * DAY, HOUR, by_hand=True)
    confirmed(clock, 2 * DAY, HOUR, state="pending")
    count_all()
    assert read(7 * DAY) == [Counted("game", "some", Numbers(7, 7, 0, 0, 0, 4, 1, 2, 3))]


def test_confirmed_once(clock):
    """Of several messages, only the newest counts as confirmed."""
    newest = confirmed(clock, HOUR, timedelta(minutes=1))
    delivery(clock, "sent", 2 * HOUR, newest.confirmation, sent_at=clock.now - 2 * HOUR)
    counting.advance()
    assert read() == [Counted("game", "some", Numbers(2, 2, 0, 0, 0, 1, 1, 1, 1))]


def test_periods(clock):
    """A period begins with the hour in which it began."""
    clock.move(minutes=30)
    for age in (DAY + timedelta(minutes=31), DAY + timedelta(minutes=30), timedelta(0)):
        delivery(clock, age=age)
    delivery(clock, age=29 * DAY)
    count_all()
    assert [asked(DAY), asked(7 * DAY), asked(30 * DAY)] == [2, 3, 4]


def test_a_later_change(clock):
    """An hour is counted again after its deliveries have changed, the older the more seldom."""
    row = delivery(clock)
    counting.advance()
    clock.move(hours=20)
    Delivery.objects.filter(pk=row.pk).update(state="bounced")
    counting.advance()
    assert read() == [Counted("game", "some", Numbers(asked=1, sent=1, bounced=1))]
    Delivery.objects.filter(pk=row.pk).update(state="complained")
    clock.move(hours=2)
    counting.advance()
    assert read()[0].numbers.complained == 0
    clock.move(minutes=14)
    counting.advance()
    assert read() == [Counted("game", "some", Numbers(asked=1, sent=1, delivered=1, complained=1))]


def test_counted_twice(clock):
    """Counting the same hour again, as two couriers may, changes nothing."""
    delivery(clock)
    (due,) = counting._due(clock.now)
    clock.move(minutes=1)
    counting._count(*due)
    before = list(HourlyCount.objects.order_by("pk").values())
    clock.move(minutes=1)
    counting._count(*due)
    assert list(HourlyCount.objects.order_by("pk").values()) == before
    clock.move(minutes=10)
    counting.advance()
    assert read() == [Counted("game", "some", Numbers(asked=1, sent=1))]


def test_a_group_that_is_gone(clock):
    """A row that was deleted with its account while its hour is recounted counts no longer."""
    kept, gone = delivery(clock), delivery(clock, dialect="other")
    counting.advance()
    assert asked() == 2
    gone.delete()
    clock.move(minutes=10)
    counting.advance()
    assert read() == [Counted("game", "some", Numbers(asked=1, sent=1))]
    assert HourlyCount.objects.filter(hour__lte=kept.asked_at).count() == 2


def test_pruned(clock, change):
    """The numbers stay when the deliveries are pruned."""
    change(RETENTION={"ended": 2 * 3600, "ignored": 2 * 3600})
    delivery(clock, "delivered")
    delivery(clock, "ignored")
    expected = [Counted("game", "some", Numbers(asked=2, sent=1, delivered=1))]
    for _ in range(24):
        for _ in engine.rounds():
            pass
        assert read(7 * DAY) == expected
        clock.move(minutes=10)
    assert not Delivery.objects.exists()


def test_not_while_rows_are_pruned(clock):
    """An hour is not counted any more when its first ignored requests may be pruned."""
    delivery(clock, "ignored")
    counting.advance()
    Delivery.objects.all().delete()
    clock.move(days=7, minutes=-9)
    counting.advance()
    assert asked(30 * DAY) == 1
    clock.move(minutes=-1)
    counting.advance()
    assert asked(30 * DAY) == 0


def test_a_month(clock):
    """Counts are deleted after 31 days."""
    delivery(clock, "queued")
    counting.advance()
    clock.move(days=31)
    assert list(engine.prune()) == []
    clock.move(seconds=1)
    assert list(engine.prune()) == [2]


def test_a_first_count(clock, monkeypatch):
    """The hours of a month are counted in bounded steps, the newest first."""
    monkeypatch.setattr(counting, "MOST_HOURS", 12)
    delivery(clock, age=HOUR)
    delivery(clock, age=20 * HOUR)
    counting.advance()
    assert asked() == 1
    counting.advance()
    assert asked() == 2
    assert HourlyCount.objects.filter(client="").count() == 21


def test_no_rows(clock):
    """Without deliveries nothing is counted."""
    counting.advance()
    assert not HourlyCount.objects.exists()
    assert read() == []


def test_an_error(clock, monkeypatch, caplog):
    """An error while counting is logged without its text, and rows are pruned all the same."""
    delivery(clock, "ignored", 8 * DAY)
    monkeypatch.setattr(counting, "_count", lambda *_: 1 / 0)
    for _ in engine.rounds():
        pass
    assert not Delivery.objects.exists()
    assert "Deliveries could not be counted" in caplog.text


def test_few(clock, monkeypatch):
    """If there are few, those of the last day are counted from their rows for each page."""
    monkeypatch.setattr(counting, "FEW", 2)
    delivery(clock, age=3 * DAY)
    count_all()
    rows = [delivery(clock, age=HOUR) for _ in range(2)]
    assert [asked(DAY), asked(7 * DAY)] == [2, 3]
    rows.append(delivery(clock))
    assert [asked(DAY), asked(7 * DAY)] == [0, 1]


@pytest.mark.django_db(transaction=True)
def test_two_couriers(clock, caplog):
    """Several couriers that count at the same time count each delivery once."""
    for age in range(6):
        for dialect in ("some", "other", ""):
            delivery(clock, age=age * HOUR, dialect=dialect)
    barrier = Barrier(4)

    def courier():
        try:
            barrier.wait(30)
            counting.advance()
        finally:
            connections.close_all()

    threads = [Thread(target=courier) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caplog.text == ""
    assert asked() == 18
    assert HourlyCount.objects.count() == 6 * 4


def test_a_courier_that_is_to_stop(clock):
    """A courier that is asked to stop counts no further hour."""
    delivery(clock)
    counting.advance(lambda: True)
    assert not HourlyCount.objects.exists()


def token_of(message):
    (token,) = re.findall(r"token=([\w-]+)", str(message.body))
    return token


@pytest.mark.django_db(transaction=True)
def test_messages_that_were_confirmed(script):
    """The time of a message is that of its confirmation's newest message, however it was sent."""
    for errors in ([], [TimeoutError()]):
        script[:] = errors
        start(PendingFactory.create())
        # After an ambiguous try, the message is sent by itself.
        for _ in range(3):
            Delivery.objects.filter(state="queued").update(not_before=database.now())
            send_due()
        assert Delivery.objects.latest("pk").state == "sent"
        assert engine.confirm(token_of(ScriptedBackend.seen[-1])).verdict is Verdict.CONFIRMED
    counting.advance()
    (found,) = read()
    assert found.numbers == Numbers(2, 2, 0, 0, 0, 2, 2, 2, 2)

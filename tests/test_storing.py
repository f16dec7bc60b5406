"""Limits of stored requests: for each network, and for the backlog."""

import time

import pytest
from django.test import Client
from django.utils import timezone

from resend_confirmation import engine
from resend_confirmation.engine import backlog
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.outcomes import DeliveryState
from resend_confirmation.testing.dialects import forget_counts
from resend_confirmation.throttling.throttle import Caller

from .factories import PendingFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

FLOOD = "2001:db8:1:{:x}::1"


@pytest.fixture(autouse=True)
def quiet(change, monkeypatch):
    """Make all dialects quiet, with a throttle that hardly limits."""
    forget_counts(monkeypatch)
    change(QUIET="all", THROTTLE="1000000/s")


@pytest.fixture
def seconds(monkeypatch):
    """The monotonic clock, which the test sets; it starts with the machine."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def post(identity, peer):
    response = Client().post(
        "/accounts/resend-confirmation",
        {"email": identity},
        content_type="application/json",
        REMOTE_ADDR=peer,
    )
    return response.status_code, response.content


def stored():
    return Delivery.objects.count()


def test_a_day_of_one_network(change, seconds, caplog):
    """The number of stored requests of a network is limited; the response is the same."""
    change(QUIET_REQUESTS_PER_NETWORK="5/d")
    answers = {post(f"a{n}@example.com", FLOOD.format(n)) for n in range(30)}
    assert len(answers) == 1
    engine.resolve()
    assert (stored(), Cooldown.objects.count()) == (10, 10)
    assert answers == {post("b@example.com", "2001:db8:2::1")}
    assert stored() == 11
    line = "Dropped {} requests: their networks reached QUIET_REQUESTS_PER_NETWORK"
    assert caplog.messages == [line.format(1)]
    seconds[0] += 59
    post("a@example.com", FLOOD.format(1))
    assert caplog.messages == [line.format(1)]
    seconds[0] += 1
    post("a@example.com", FLOOD.format(1))
    assert caplog.messages == [line.format(1), line.format(21)]
    assert not any("2001" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "settings_",
    [{"QUIET_REQUESTS_PER_NETWORK": None}, {"QUIET_REQUESTS_PER_NETWORK": "1/d", "THROTTLE": None}],
)
def test_no_bound(change, settings_):
    """There is no limit if it is None, or if THROTTLE is."""
    change(**settings_)
    for n in range(5):
        post(f"a{n}@example.com", "192.0.2.1")
    assert stored() == 5


def test_honest_request_during_a_flood(change, monkeypatch, caplog):
    """If one network fills the backlog, another network's request is stored and sent."""
    monkeypatch.setattr(backlog, "CHECK_INTERVAL", 1)
    change(BACKLOG=3)
    user = PendingFactory.create()
    answers = {post(f"a{n}@example.com", FLOOD.format(n)) for n in range(50)}
    assert answers == {post(user.email, "198.51.100.1")}
    assert stored() == 4
    while not engine.drain().idle:
        pass
    sent = Delivery.objects.get(state=DeliveryState.SENT)
    assert sent.confirmation is not None
    assert sent.confirmation.address == user.email


def test_a_flood_from_everywhere(change, monkeypatch, seconds, caplog):
    """Beyond twice BACKLOG all requests are dropped for a while, and counted in one line."""
    monkeypatch.setattr(backlog, "CHECK_INTERVAL", 1)
    change(BACKLOG=3)
    for n in range(20):
        post(f"a{n}@example.com", f"198.51.{n}.1")
    assert stored() == 6
    engine.resolve()
    seconds[0] += 5
    post("a@example.com", "203.0.113.1")
    assert stored() == 7
    assert caplog.messages == [
        "Dropped 14 requests: the backlog limit of 3 unresolved requests is reached"
    ]


def test_counted_again_after_the_period(change, monkeypatch, seconds, caplog):
    """A count drops requests for five seconds; the first one stored after that counts again."""
    monkeypatch.setattr(backlog, "CHECK_INTERVAL", 4)
    change(BACKLOG=3)
    line = "Dropped {} requests: the backlog limit of 3 unresolved requests is reached"

    def flood():
        for _ in range(10):
            post("a@example.com", "192.0.2.1")
        return stored(), caplog.messages

    assert flood() == (4, [])
    seconds[0] += 4.9
    assert flood() == (4, [])
    post("b@example.com", "198.51.100.1")
    assert (stored(), caplog.messages) == (5, [])
    seconds[0] += 0.1
    assert flood() == (6, [line.format(16)])
    seconds[0] += 5
    assert flood() == (7, [line.format(16), line.format(9)])


@pytest.mark.parametrize(("cap", "few"), [(299, 2), (300, 3)])
def test_share_of_a_network(change, monkeypatch, seconds, cap, few):
    """While the backlog is full, a network is admitted up to a hundredth of BACKLOG."""
    monkeypatch.setattr(backlog, "CHECK_INTERVAL", 1)
    change(BACKLOG=cap)
    now = timezone.now()
    asked = [Delivery(state="asked", asked_at=now, not_before=now) for _ in range(cap)]
    Delivery.objects.bulk_create(asked)
    post("a@example.com", "198.51.100.1")
    for _ in range(few + 2):
        post("b@example.com", "203.0.113.1")
    assert stored() == cap + 1 + few


def test_counts_of_networks(rf, change):
    """Requests are counted for each network separately."""
    caller = Caller(rf.post("/", REMOTE_ADDR="192.0.2.1"), "acme")
    assert [caller.count_below(2) for _ in range(4)] == [True, True, False, False]
    other = Caller(rf.post("/", REMOTE_ADDR="192.0.2.2"), "acme")
    assert other.count_below(2)

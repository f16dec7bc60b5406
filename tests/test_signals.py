"""``delivery_changed``: it is sent for each state, after the commit."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from resend_confirmation import clients, engine, start, withdraw
from resend_confirmation.courier import send_due
from resend_confirmation.deliveries import claims
from resend_confirmation.engine import ResendRequest
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import CONCEALED, DeliveryState, Outcome, Reason
from resend_confirmation.signals import delivery_changed

from .factories import UserFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

FIND = "resend_confirmation.engine.resolution.find_accounts"


@pytest.fixture
def told():
    """The id, state and reason of each signal, in order."""
    heard = []

    def listen(sender, delivery_id, state, reason, **_):
        assert sender is Delivery
        assert isinstance(state, DeliveryState)
        assert isinstance(reason, Reason)
        # The signal is sent after the commit.
        assert not connection.in_atomic_block
        assert Delivery.objects.values_list("state").get(pk=delivery_id) == (state,)
        heard.append((delivery_id, state.value, reason.value))

    delivery_changed.connect(listen)
    yield heard
    delivery_changed.disconnect(listen)


def ask(identity, quiet=frozenset()):
    """Request a resend as a dialect does, and return the outcome."""
    request = ResendRequest(identity=identity, client=clients.default(), quiet=quiet)
    return engine.resend(request).ending


def test_sign_up(pending, told):
    """A sign-up's signal is sent after the commit."""
    with transaction.atomic():
        start(pending)
        assert told == []
    delivery = Delivery.objects.get()
    assert told == [(delivery.pk, "queued", "")]


def test_rolled_back(pending, told):
    """After a rollback no signal is sent."""
    with transaction.atomic():
        start(pending)
        transaction.set_rollback(True)
    assert told == []


def test_candid(pending, told):
    """A candid request is queued, sending and sent."""
    assert ask("pending") is Outcome.SENT
    send_due()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "queued", ""), (pk, "sending", ""), (pk, "sent", "")]


def test_pretended(pending, told):
    """A request whose result only pretends to be SENT is asked, then ignored with a reason."""
    assert ask("nobody", frozenset({Outcome.UNKNOWN})) is Outcome.SENT
    engine.resolve()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "asked", ""), (pk, "ignored", "unknown")]


def test_quiet(pending, told):
    """A quiet request is asked, and queued after the look-up."""
    ask("pending", CONCEALED)
    engine.resolve()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "asked", ""), (pk, "queued", "")]


@pytest.mark.parametrize(
    ("identity", "reason"),
    [("nobody", "unknown"), ("confirmed", "confirmed"), ("blocked", "blocked")],
)
def test_quiet_and_ignored(identity, reason, pending, confirmed, blocked, told):
    """A quiet request without a message is asked, then ignored with a reason."""
    ask(identity, CONCEALED)
    engine.resolve()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "asked", ""), (pk, "ignored", reason)]


def test_cooling_down(pending, told):
    """A quiet request within the cooldown is asked, then ignored."""
    ask("pending", CONCEALED)
    engine.resolve()
    told.clear()
    ask("pending", CONCEALED)
    engine.resolve()
    pk = Delivery.objects.latest("pk").pk
    assert told == [(pk, "asked", ""), (pk, "ignored", "cooling_down")]


def test_accounts_that_share_an_address(told):
    """If a quiet request becomes several deliveries, there is a signal for each."""
    for name in ("one", "two"):
        start(UserFactory.create(username=name, email="shared@example.com"), send=False)
    ask("shared@example.com", CONCEALED)
    engine.resolve()
    first, second = Delivery.objects.order_by("pk").values_list("pk", flat=True)
    assert sorted(told) == sorted(
        [(first, "asked", ""), (first, "queued", ""), (second, "queued", "turn")]
    )


def test_requests_that_crash(pending, told, monkeypatch, clock):
    """A request that cannot be looked up is failed when it is given up."""
    monkeypatch.setattr(FIND, lambda identity: 1 / 0)
    ask("pending", CONCEALED)
    told.clear()
    for _ in range(6):
        assert told == []
        engine.resolve()
        clock.move(hours=3)
    assert told == [(Delivery.objects.get().pk, "failed", "crashed")]


def test_attempts_at_looking_up_are_not_attempts_at_sending(pending, monkeypatch, clock):
    """Attempts to look up a request do not count as attempts to send."""
    monkeypatch.setattr(FIND, lambda identity: 1 / 0)
    ask("pending", CONCEALED)
    engine.resolve()
    clock.move(minutes=2)
    assert Delivery.objects.get().attempts == 1
    monkeypatch.setattr(FIND, find_accounts)
    engine.resolve()
    assert Delivery.objects.get().attempts == 0


def test_a_courier_that_died(pending, told, clock):
    """A delivery whose lease expired is queued again."""
    start(pending)
    assert claims.claim("one")
    told.clear()
    clock.move(minutes=2)
    claims.reclaim()
    assert told == [(Delivery.objects.get().pk, "queued", "interrupted")]


def test_given_up(pending, told):
    """A delivery whose confirmation was withdrawn is sending, then abandoned."""
    start(pending)
    withdraw(Confirmation.objects.get())
    told.clear()
    send_due()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "sending", ""), (pk, "abandoned", "blocked")]


@pytest.mark.parametrize("quiet", [frozenset(), CONCEALED], ids=["candid", "quiet"])
def test_telling_costs_no_statement(quiet, pending):
    """A receiver does not change the number of queries of a request."""
    counts = []
    for listeners in ([], [lambda **_: None]):
        Cooldown.objects.all().delete()
        for listener in listeners:
            delivery_changed.connect(listener)
        with CaptureQueriesContext(connection) as queries:
            ask("pending", quiet)
        for listener in listeners:
            delivery_changed.disconnect(listener)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_receiver_that_fails(pending, caplog):
    """A receiver that fails affects neither the request nor the message."""

    def fail(**_):
        raise RuntimeError

    delivery_changed.connect(fail)
    try:
        assert ask("pending") is Outcome.SENT
        send_due()
    finally:
        delivery_changed.disconnect(fail)
    assert Delivery.objects.get().state == DeliveryState.SENT

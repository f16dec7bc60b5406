"""``delivery_changed``: each state of a delivery is told once it was written, and not before."""

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
    """The signals: number, state and reason, in order."""
    heard = []

    def listen(sender, delivery_id, state, reason, **_):
        assert sender is Delivery
        assert isinstance(state, DeliveryState)
        assert isinstance(reason, Reason)
        # A signal is sent after the row is written and committed.
        assert not connection.in_atomic_block
        assert Delivery.objects.values_list("state").get(pk=delivery_id) == (state,)
        heard.append((delivery_id, state.value, reason.value))

    delivery_changed.connect(listen)
    yield heard
    delivery_changed.disconnect(listen)


def ask(identity, quiet=frozenset()):
    """Ask for ``identity`` as a dialect does; the ending."""
    request = ResendRequest(identity=identity, client=clients.default(), quiet=quiet)
    return engine.resend(request).ending


def test_sign_up(pending, told):
    """The first state is sent after the commit of the sign-up."""
    with transaction.atomic():
        start(pending)
        assert told == []
    delivery = Delivery.objects.get()
    assert told == [(delivery.pk, "queued", "")]


def test_rolled_back(pending, told):
    """A change that was rolled back sends no signal."""
    with transaction.atomic():
        start(pending)
        transaction.set_rollback(True)
    assert told == []


def test_candid(pending, told):
    """An answered request is announced as queued, then sending, then sent."""
    assert ask("pending") is Outcome.SENT
    send_due()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "queued", ""), (pk, "sending", ""), (pk, "sent", "")]


def test_pretended(pending, told):
    """A request that is only answered like SENT is announced as ignored, with the reason."""
    assert ask("nobody", frozenset({Outcome.UNKNOWN})) is Outcome.SENT
    engine.resolve()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "asked", ""), (pk, "ignored", "unknown")]


def test_quiet(pending, told):
    """A quiet request is announced as asked, and as queued after its look-up."""
    ask("pending", CONCEALED)
    engine.resolve()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "asked", ""), (pk, "queued", "")]


@pytest.mark.parametrize(
    ("identity", "reason"),
    [("nobody", "unknown"), ("confirmed", "confirmed"), ("blocked", "blocked")],
)
def test_quiet_and_ignored(identity, reason, pending, confirmed, blocked, told):
    """A quiet request without a message is announced as ignored, with the reason."""
    ask(identity, CONCEALED)
    engine.resolve()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "asked", ""), (pk, "ignored", reason)]


def test_cooling_down(pending, told):
    """A quiet request that came too soon is announced as ignored, never as queued."""
    ask("pending", CONCEALED)
    engine.resolve()
    told.clear()
    ask("pending", CONCEALED)
    engine.resolve()
    pk = Delivery.objects.latest("pk").pk
    assert told == [(pk, "asked", ""), (pk, "ignored", "cooling_down")]


def test_accounts_that_share_an_address(told):
    """A quiet request that becomes several deliveries announces each of them."""
    for name in ("one", "two"):
        start(UserFactory.create(username=name, email="shared@example.com"), send=False)
    ask("shared@example.com", CONCEALED)
    engine.resolve()
    first, second = Delivery.objects.order_by("pk").values_list("pk", flat=True)
    assert sorted(told) == sorted(
        [(first, "asked", ""), (first, "queued", ""), (second, "queued", "turn")]
    )


def test_requests_that_crash(pending, told, monkeypatch, clock):
    """A request that cannot be looked up is announced as failed when it is given up."""
    monkeypatch.setattr(FIND, lambda identity: 1 / 0)
    ask("pending", CONCEALED)
    told.clear()
    for _ in range(6):
        assert told == []
        engine.resolve()
        clock.move(hours=3)
    assert told == [(Delivery.objects.get().pk, "failed", "crashed")]


def test_attempts_at_looking_up_are_not_attempts_at_sending(pending, monkeypatch, clock):
    """Attempts at the look-up do not use up attempts at sending."""
    monkeypatch.setattr(FIND, lambda identity: 1 / 0)
    ask("pending", CONCEALED)
    engine.resolve()
    clock.move(minutes=2)
    assert Delivery.objects.get().attempts == 1
    monkeypatch.setattr(FIND, find_accounts)
    engine.resolve()
    assert Delivery.objects.get().attempts == 0


def test_a_courier_that_died(pending, told, clock):
    """A delivery whose courier died is announced as queued again."""
    start(pending)
    assert claims.claim("one")
    told.clear()
    clock.move(minutes=2)
    claims.reclaim()
    assert told == [(Delivery.objects.get().pk, "queued", "interrupted")]


def test_given_up(pending, told):
    """A delivery whose confirmation was withdrawn is announced as abandoned."""
    start(pending)
    withdraw(Confirmation.objects.get())
    told.clear()
    send_due()
    pk = Delivery.objects.get().pk
    assert told == [(pk, "sending", ""), (pk, "abandoned", "blocked")]


@pytest.mark.parametrize("quiet", [frozenset(), CONCEALED], ids=["candid", "quiet"])
def test_telling_costs_no_statement(quiet, pending):
    """Requests take the same statements with a receiver and without."""
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
    """A receiver that fails harms neither the request nor the message."""

    def fail(**_):
        raise RuntimeError

    delivery_changed.connect(fail)
    try:
        assert ask("pending") is Outcome.SENT
        send_due()
    finally:
        delivery_changed.disconnect(fail)
    assert Delivery.objects.get().state == DeliveryState.SENT

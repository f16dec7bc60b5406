"""Batches: deliveries that are claimed together, and handed over one after the other."""

import signal
import smtplib
from collections import Counter
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import OperationalError, connection, transaction

from resend_confirmation import accounts, database, start, withdraw
from resend_confirmation.accounts import ConfirmationStore
from resend_confirmation.courier import Tally, batch, message, prepared, send_due
from resend_confirmation.courier.batch import Batch, next_size
from resend_confirmation.deliveries import batches, claims, gate, steps
from resend_confirmation.deliveries.claims import Claim
from resend_confirmation.email_backend import Connection
from resend_confirmation.interruptions import Held
from resend_confirmation.limits import suppression
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import ConfirmationState, DeliveryState, Reason, Standing
from resend_confirmation.signals import delivery_changed

from .factories import PendingFactory, UserFactory, address_of, queued
from .mailers import KilledError, ScriptedBackend
from .test_claims import claimed_in_a_race

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

#: Twice the default SEND_DEADLINE of 30 s.
LEASE = timedelta(seconds=60)


def column(name):
    return list(Delivery.objects.order_by("pk").values_list(name, flat=True))


def ask(*names):
    return [queued(UserFactory.create(username=name)) for name in names]


def recipients():
    return [each.to[0].partition("@")[0] for each in mail.outbox]


@pytest.fixture(params=["as the database can", "conditional"])
def way(request, monkeypatch):
    """Both ways to claim rows."""
    if request.param == "conditional":
        monkeypatch.setattr(claims, "skips_locked", lambda: False)


@pytest.fixture
def together(monkeypatch):
    """Claim up to 20 deliveries at once, however long they take."""
    monkeypatch.setattr(batch, "FRESH", 1000)
    monkeypatch.setattr("resend_confirmation.courier.worker.next_size", lambda *_: 20)
    monkeypatch.setattr("resend_confirmation.courier.worker.FIRST_SIZE", 20)


@pytest.fixture
def alone(monkeypatch):
    """The deliveries that were left to an attempt by itself."""
    seen = []
    begin = batches.begin

    def note(ahead):
        seen.append(ahead.delivery.pk)
        return begin(ahead)

    monkeypatch.setattr(batches, "begin", note)
    return seen


def before_turn(monkeypatch, name, work):
    """Call ``work`` when all messages are written, right before that of ``name`` is handed over."""
    hand_over = batches.hand_over

    def wait(ahead, *given):
        if ahead.passed.stored.startswith(f"{name}@"):
            work()
        return hand_over(ahead, *given)

    monkeypatch.setattr(batches, "hand_over", wait)


# Claiming


def test_claim(clock, way):
    """A batch has the most overdue rows, with leases, and no attempt is counted yet."""
    ask("one", "two", "three")
    Delivery.objects.update(handed_at=clock.now)
    first, second, third = column("pk")
    Delivery.objects.filter(pk=third).update(not_before=clock.now - timedelta(minutes=1))
    made = batches.claim("me", 2)
    assert [each.delivery.pk for each in made] == [third, first]
    taken = Delivery.objects.filter(pk__in=[first, third])
    found = set(taken.values_list("state", "lease_owner", "lease_until", "attempts", "handed_at"))
    assert found == {("sending", "me", clock.now + LEASE, 0, None)}
    assert Delivery.objects.get(pk=second).state == DeliveryState.QUEUED
    assert [each.delivery.pk for each in batches.claim("another", 5)] == [second]
    assert batches.claim("another", 5) == []


def test_exclusive_in_a_race(way):
    """Concurrent couriers claim each row exactly once."""
    pks = {each.pk for each in ask(*map(str, range(30)))}
    claimed = claimed_in_a_race(lambda owner: batches.claim(owner, 4))
    assert sorted(claimed) == sorted(pks)


def test_a_lost_race(monkeypatch):
    """If another courier has taken all candidates, the next ones are claimed."""
    monkeypatch.setattr(claims, "skips_locked", lambda: False)
    first, second = (each.pk for each in ask("one", "two"))
    take = batches._take

    def be_late(pks, owner):
        if pks == [first]:
            take(pks, "quicker")
        return take(pks, owner)

    monkeypatch.setattr(batches, "_take", be_late)
    assert [each.delivery.pk for each in batches.claim("late", 1)] == [second]
    assert Delivery.objects.get(pk=first).lease_owner == "quicker"


def test_never_in_a_transaction(way):
    """A claim in a transaction is refused, since it could be rolled back after the send."""
    ask("one")
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        batches.claim("me", 2)
    assert column("state") == [DeliveryState.QUEUED]


@pytest.mark.parametrize(
    "values", [{"reason": Reason.INTERRUPTED}, {"slot_at": None}], ids=["interrupted", "no slot"]
)
def test_claimed_by_itself(values, way):
    """A delivery that ended its courier, or that takes its slot at the gate, is claimed alone."""
    pks = [each.pk for each in ask("one", "two", "three")]
    Delivery.objects.filter(pk=pks[1]).update(**values)
    assert [each.delivery.pk for each in batches.claim("me", 3)] == pks[:1]
    assert batches.claim("me", 3) == []
    alone = claims.claim("me")
    assert alone
    assert alone.delivery.pk == pks[1]
    assert [each.delivery.pk for each in batches.claim("me", 3)] == pks[2:]


def test_sizes():
    """A batch has what is sent in 0.4 seconds, and at most doubles."""
    assert next_size(1, 1, 0.001) == 2
    assert next_size(8, 8, 0.01) == 16
    assert next_size(100, 100, 0.02) == 100
    assert next_size(20, 20, 0.5) == 16
    assert next_size(4, 1, 30) == 1
    assert next_size(4, 0, 0.01) == 1


# Sending


def test_one_after_the_other(together, alone, clock, script):
    """All messages of a batch are sent, each with its own link, and marked."""
    ask("one", "two", "three")
    assert send_due() == Tally(sent=3)
    assert alone == []
    assert recipients() == ["one", "two", "three"]
    found = Delivery.objects.values_list("state", "attempts", "sent_at", "handed_at", "lease_owner")
    assert set(found) == {("sent", 1, clock.now, clock.now, "")}
    ids = [each.extra_headers["Message-ID"] for each in mail.outbox]
    assert ids == column("message_id")
    assert len(set(column("token_digest"))) == 3
    sent = Confirmation.objects.values_list("sends", "last_sent_at", "last_delivery_state")
    assert set(sent) == {(1, clock.now, "sent")}
    assert set(Cooldown.objects.values_list("sent_at", flat=True)) == {clock.now}
    generations = Confirmation.objects.values_list("generation", "expires_at")
    assert set(generations) == {(1, clock.now + timedelta(hours=24))}


def test_few_statements(together, clock, django_assert_max_num_queries):
    """A batch of twenty messages takes at most four statements for each, also to repeat them."""
    users = [UserFactory.create() for _ in range(20)]
    for _ in range(2):
        for user in users:
            queued(user)
        # Some databases count BEGIN and COMMIT too.
        with django_assert_max_num_queries(20 * 3 + 20 * 2 + 30):
            assert send_due() == Tally(sent=20)
        clock.move(minutes=5)


def test_marked_with_the_next_hand_over(together, script, monkeypatch):
    """When a message is sent, all before it are marked, and none behind it is handed over."""
    ask("one", "two", "three")
    seen = []
    send = Connection.send

    def look(self, *given, **named):
        seen.append([(s, h is not None) for s, h in states_and_hand_overs()])
        return send(self, *given, **named)

    def states_and_hand_overs():
        return Delivery.objects.order_by("pk").values_list("state", "handed_at")

    monkeypatch.setattr(Connection, "send", look)
    send_due()
    sent, handed, ahead = ("sent", True), ("sending", True), ("sending", False)
    assert seen == [[handed, ahead, ahead], [sent, handed, ahead], [sent, sent, handed]]


def test_killed(together, clock, script):
    """If a courier is killed, one message is in doubt; those behind use up no attempt."""
    ask("one", "two", "three")
    send = Connection.send

    def die_second(self, mail_, delivery_id, **named):
        found = send(self, mail_, delivery_id, **named)
        if delivery_id == column("pk")[1]:
            raise KilledError
        return found

    with mock.patch.object(Connection, "send", die_second), pytest.raises(KilledError):
        send_due()
    assert column("state") == ["sent", "sending", "sending"]
    assert send_due() == Tally()
    clock.move(seconds=61)
    assert send_due() == Tally(sent=2)
    assert column("state") == ["sent"] * 3
    assert column("doubts") == [0, 1, 0]
    assert column("attempts") == [1, 2, 1]
    assert Counter(recipients()) == {"one": 1, "two": 2, "three": 1}


def test_asked_to_stop(together, script):
    """A courier that is asked to stop puts back what it claimed ahead, without an attempt."""
    ask("one", "two", "three")
    Delivery.objects.update(reason=Reason.TURN)
    heard = []

    def listen(sender, delivery_id, state, reason, **_):
        heard.append((delivery_id, state, reason))

    delivery_changed.connect(listen)
    try:
        assert send_due(is_stopping=lambda: bool(ScriptedBackend.seen)) == Tally(sent=1)
    finally:
        delivery_changed.disconnect(listen)
    assert column("state") == ["sent", "queued", "queued"]
    assert column("attempts") == [1, 0, 0]
    assert column("reason") == [Reason.NONE, Reason.TURN, Reason.TURN]
    assert column("lease_owner") == [""] * 3
    first, second, third = column("pk")
    assert heard[-3:] == [
        (first, DeliveryState.SENT, Reason.NONE),
        (second, DeliveryState.QUEUED, Reason.TURN),
        (third, DeliveryState.QUEUED, Reason.TURN),
    ]


def test_a_stop_that_fails(together, script):
    """If the question whether to stop raises an exception, the last message is marked."""
    ask("one", "two")

    def is_stopping():
        if ScriptedBackend.seen:
            raise RuntimeError
        return False

    with pytest.raises(RuntimeError):
        send_due(is_stopping=is_stopping)
    assert column("state") == ["sent", "sending"]


def test_a_handler_in_a_batch(together, script, monkeypatch):
    """The handler of a signal is called after the current message is marked, and all are sent."""
    ask("one", "two", "three")
    seen: list[Any] = []
    send = Connection.send

    def interrupt(self, *given, **named):
        if not seen:
            signal.raise_signal(signal.SIGALRM)
        return send(self, *given, **named)

    monkeypatch.setattr(Connection, "send", interrupt)
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(column("state")))
    try:
        assert send_due() == Tally(sent=3)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert seen == [["sent", "sending", "sending"]]


def test_an_exception_of_a_handler(together, script, monkeypatch):
    """If the handler of a signal raises, the deliveries behind are put back."""
    ask("one", "two", "three")
    send = Connection.send

    def interrupt(self, *given, **named):
        signal.raise_signal(signal.SIGALRM)
        return send(self, *given, **named)

    def refuse(*_):
        raise TimeoutError

    monkeypatch.setattr(Connection, "send", interrupt)
    before = signal.signal(signal.SIGALRM, refuse)
    try:
        with pytest.raises(TimeoutError):
            send_due()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert column("state") == ["sent", "queued", "queued"]
    assert column("attempts") == [1, 0, 0]


def test_marked_before_connecting(together, alone, script, monkeypatch):
    """If the next message needs a new connection, the last one is marked before it is made."""
    ask("one", "two")
    seen = []
    send, connect = Connection.send, Connection.open

    def lose(self, *given, **named):
        result = send(self, *given, **named)
        self._sent = None
        return result

    def look(self):
        if not self.is_open:
            seen.append(column("state"))
        return connect(self)

    monkeypatch.setattr(Connection, "send", lose)
    monkeypatch.setattr(Connection, "open", look)
    assert send_due() == Tally(sent=2)
    assert alone == []
    assert seen[1:] == [["sent", "sending"]]


def test_paused(together, script):
    """If the settings do not work, the deliveries behind are put back."""
    ask("one", "two", "three")
    script.extend([None, smtplib.SMTPAuthenticationError(535, b"no")])
    assert send_due() == Tally(sent=1, unsent=1, paused=True)
    assert column("state") == ["sent", "queued", "queued"]
    assert column("reason") == [Reason.NONE, Reason.CONFIGURATION, Reason.NONE]
    assert column("attempts") == [1, 0, 0]


def test_old_facts(together, script, monkeypatch):
    """If sending takes long, the deliveries behind are put back and claimed anew."""
    monkeypatch.setattr(batch, "FRESH", 0)
    ask("one", "two", "three")
    claimed = []
    claim = batches.claim

    def note(*given):
        made = claim(*given)
        claimed.append(len(made))
        return made

    monkeypatch.setattr(batches, "claim", note)
    assert send_due() == Tally(sent=3)
    assert claimed == [3, 2, 1, 0]
    assert column("attempts") == [1] * 3


def test_put_back_leaves_the_gates(together, script, clock):
    """A delivery that is put back leaves its gate, unless an earlier attempt was ambiguous."""
    ask("one", "two", "three")
    Delivery.objects.filter(pk=column("pk")[2]).update(doubts=1)
    assert send_due(is_stopping=lambda: bool(ScriptedBackend.seen)) == Tally(sent=1)
    first, _, third = column("pk")
    gates = Cooldown.objects.order_by("pk").values_list("holder", "sent_at")
    assert set(gates) == {(first, clock.now), (None, None), (third, clock.now)}


def test_put_back_together(clock, django_assert_max_num_queries):
    """Deliveries are put back with few statements, and only those whose lease was not lost."""
    ask(*map(str, range(10)))
    Delivery.objects.update(reason=Reason.NOT_ACCEPTED)
    ahead = batches.claim("me", 10)
    first, *others = column("pk")
    Delivery.objects.filter(pk=first).update(lease_owner="another")
    seen = []

    def note(delivery_id, state, reason, **_):
        seen.append((delivery_id, state, reason))

    delivery_changed.connect(note)
    # Some databases count BEGIN and COMMIT too.
    with django_assert_max_num_queries(2 + 2):
        batches.put_back(ahead)
    assert column("state") == ["sending", *["queued"] * 9]
    assert column("lease_owner") == ["another", *[""] * 9]
    assert column("lease_until")[1:] == [None] * 9
    assert column("not_before") == [clock.now] * 10
    assert sorted(seen) == [(pk, "queued", "not_accepted") for pk in others]


def test_a_closed_gate(together, alone, script, clock):
    """A delivery whose gate is closed waits, and the others are sent together."""
    ask("one", "two", "three")
    digest = address_of("two@example.com").digest("cooldown")
    Cooldown.objects.filter(digest=digest).update(sent_at=clock.now, holder=0)
    assert send_due() == Tally(sent=2)
    assert alone == column("pk")[1:2]
    assert column("state") == ["sent", "queued", "sent"]
    assert column("reason")[1] == Reason.TURN
    assert Cooldown.objects.values_list("sent_at", "holder").get(digest=digest) == (clock.now, 0)


def test_an_open_gate_of_its_own(together, alone, script, clock):
    """A delivery passes the gate that it holds already."""
    one, two = ask("one", "two")
    digest = address_of("two@example.com").digest("cooldown")
    Cooldown.objects.filter(digest=digest).update(sent_at=clock.now, holder=two.pk)
    assert send_due() == Tally(sent=2)
    assert alone == []
    assert one.pk != two.pk


def test_put_back_over_errors(together, script, monkeypatch, caplog):
    """If deliveries cannot be put back, they are due again when their leases expire."""
    monkeypatch.setattr(database, "RECONNECT_SECONDS", 0)
    ask("one", "two")

    def fail(ahead):
        raise OperationalError

    monkeypatch.setattr(batches, "_put_back", fail)
    assert send_due(is_stopping=lambda: bool(ScriptedBackend.seen)) == Tally(sent=1)
    assert column("state") == ["sent", "sending"]
    assert "could not be put back" in caplog.text


# Results


def test_ends_that_cannot_be_recorded_together(together, script, monkeypatch, caplog, clock):
    """If the gates cannot be left, the last message is marked by itself."""
    ask("one", "two")

    def fail(addresses):
        raise OperationalError

    monkeypatch.setattr(gate, "leave_all", fail)
    assert send_due() == Tally(sent=2)
    assert column("state") == ["sent", "sent"]
    assert "could not be recorded together" in caplog.text
    ends = Cooldown.objects.order_by("holder").values_list("sent_at", flat=True)
    # The first gate opens when the gap after its lease is over.
    assert list(ends) == [clock.now + LEASE, clock.now]
    assert set(Confirmation.objects.values_list("sends", flat=True)) == {1}


def test_failures(together, alone, clock, script):
    """A message that is not accepted or refused does not affect the others."""
    ask("one", "two", "three", "four")
    refusal = smtplib.SMTPRecipientsRefused({"a": (550, b"no")})
    script.extend([None, ConnectionRefusedError(), refusal, None])
    assert send_due() == Tally(sent=2, unsent=2)
    assert alone == []
    assert column("state") == ["sent", "queued", "failed", "sent"]
    assert column("attempts") == [1, 1, 1, 1]
    waits = Delivery.objects.get(state="queued").not_before - clock.now
    assert 30 <= waits.total_seconds() <= 36
    free = Cooldown.objects.filter(sent_at=None)
    assert free.count() == 2


def test_a_webhook_that_is_faster(together, clock, script, monkeypatch):
    """A state that the provider reported first is kept; the courier adds time and count."""
    one, _ = ask("one", "two")

    def report():
        Delivery.objects.filter(pk=one.pk).update(state="delivered", lease_owner="")

    before_turn(monkeypatch, "two", report)
    assert send_due() == Tally(sent=2)
    assert column("state") == ["delivered", "sent"]
    assert column("sent_at") == [clock.now] * 2
    assert set(Confirmation.objects.values_list("sends", flat=True)) == {1}


def test_a_reply_that_the_database_refuses(together, alone, script, monkeypatch):
    """If a result cannot be stored with the next hand-over, it is stored by itself."""
    ask("one", "two")
    mark = batches.mark_sent

    def fail(*given):
        mark(*given)
        raise ValueError

    monkeypatch.setattr(steps, "joins_updates", lambda: False)
    monkeypatch.setattr(batches, "mark_sent", fail)
    assert send_due() == Tally(sent=2)
    assert alone == column("pk")[1:]
    assert column("state") == ["sent", "sent"]
    assert column("attempts") == [1, 1]
    assert recipients() == ["one", "two"]
    assert set(Confirmation.objects.values_list("sends", flat=True)) == {1}


@pytest.mark.parametrize("place", ["before", "after"])
def test_cut_at_the_hand_over(together, script, monkeypatch, place):
    """If the session is lost at a hand-over, no message is lost or repeated."""
    monkeypatch.setattr(database, "FIRST_WAIT", 0.001)
    ask("one", "two", "three")
    hand_over = batches.hand_over
    errors = [OperationalError("terminated")]

    def cut(ahead, *given):
        found = None
        if place == "after":
            found = hand_over(ahead, *given)
        if ahead.passed.stored.startswith("two") and errors:
            connection.close()
            raise errors.pop()
        return found or hand_over(ahead, *given)

    monkeypatch.setattr(batches, "hand_over", cut)
    assert send_due() == Tally(sent=3)
    assert column("state") == ["sent"] * 3
    assert column("attempts") == [1] * 3
    assert recipients() == ["one", "two", "three"]
    ids = [each.extra_headers["Message-ID"] for each in mail.outbox]
    assert ids == column("message_id")
    assert set(Confirmation.objects.values_list("sends", flat=True)) == {1}


# Changes between the claim and the hand-over


def confirm(user):
    Confirmation.objects.filter(account=user).update(state=ConfirmationState.CONFIRMED)


def withdraw_it(user):
    withdraw(Confirmation.objects.get(account=user))


def delete(user):
    user.delete()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (confirm, [("abandoned", Reason.CONFIRMED)]),
        (withdraw_it, [("abandoned", Reason.BLOCKED)]),
        (delete, []),
    ],
)
def test_changed_after_it_was_written(together, script, monkeypatch, change, found):
    """A message whose confirmation ended after it was written is not handed over."""
    one, two, three = (UserFactory.create(username=name) for name in ("one", "two", "three"))
    for user in (one, two, three):
        queued(user)
    before_turn(monkeypatch, "two", lambda: change(two))
    assert send_due() == Tally(sent=2, skipped=1)
    assert recipients() == ["one", "three"]
    others = Delivery.objects.exclude(state="sent").values_list("state", "reason")
    assert list(others) == found


def test_superseded_after_it_was_written(together, script, monkeypatch, clock):
    """A message that was superseded after it was written is not handed over."""
    ask("one")
    user = UserFactory.create(username="two")
    queued(user)
    before_turn(monkeypatch, "two", lambda: start(user))
    assert send_due() == Tally(sent=1, skipped=1)
    assert recipients() == ["one"]
    assert column("state") == ["sent", "superseded", "queued"]


def test_lost_after_it_was_written(together, script, monkeypatch, clock):
    """A courier that lost a lease in a batch does not send the message."""
    ask("one", "two")

    def lose():
        clock.move(seconds=61)
        claims.reclaim()

    before_turn(monkeypatch, "two", lose)
    assert send_due(2) == Tally(sent=1, skipped=1)
    # The first one was marked by the hand-over that failed.
    assert recipients() == ["one"]


def suppress():
    digest = address_of("two@example.com").digest("suppression")
    Suppression.objects.create(digest=digest, why=Suppression.Why.BOUNCED, since=database.now())


def deactivate():
    get_user_model().objects.filter(username="two").update(is_active=False)


def confirm_two():
    confirm(get_user_model().objects.get(username="two"))


def move_away():
    get_user_model().objects.filter(username="two").update(email="new@example.com")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (suppress, ("suppressed", Reason.SUPPRESSED)),
        (deactivate, ("abandoned", Reason.BLOCKED)),
        (move_away, ("abandoned", Reason.ADDRESS_CHANGED)),
        (confirm_two, ("abandoned", Reason.CONFIRMED)),
    ],
)
def test_changed_before_the_batch(together, alone, script, change, found):
    """A delivery that must not be sent is ended for its reason, and the others are sent."""
    ask("one", "two", "three")
    change()
    assert send_due() == Tally(sent=2, skipped=1)
    assert alone == column("pk")[1:2]
    assert Delivery.objects.values_list("state", "reason").get(pk=alone[0]) == found
    assert recipients() == ["one", "three"]


def test_no_message_to_write(together, alone, script):
    """If nothing of a batch may be sent, nothing is read for it together."""
    ask("one", "two")
    Confirmation.objects.update(state=ConfirmationState.CONFIRMED)
    assert send_due() == Tally(skipped=2)
    assert alone == column("pk")
    assert set(column("reason")) == {Reason.CONFIRMED}


def test_superseded_within_a_batch(together, script):
    """Of two deliveries of a confirmation, only the newer is sent."""
    (first,) = ask("one")
    newer = Delivery.objects.get()
    newer.pk = None
    newer.save(force_insert=True)
    assert send_due() == Tally(sent=1, skipped=1)
    assert Delivery.objects.get(pk=first.pk).state == DeliveryState.SUPERSEDED
    assert recipients() == ["one"]


def test_one_address(together, script, clock):
    """Two messages to an address are not sent within its cooldown, even with slots for both."""
    for name in ("one", "two"):
        user = UserFactory.create(username=name, email="shared@example.com")
        start(user)
        Delivery.objects.update(slot_at=clock.now, not_before=clock.now)
    assert send_due() == Tally(sent=1)
    assert column("state") == ["sent", "queued"]
    assert column("reason") == [Reason.NONE, Reason.TURN]
    assert column("attempts") == [1, 0]


def test_budget(together, script, clock, change):
    """The hourly budget holds within a batch, and what is beyond it waits."""
    change(HOURLY_BUDGET=3)
    ask("one", "two", "three", "four", "five")
    assert send_due() == Tally(sent=3, paused=True)
    assert column("state") == ["sent"] * 3 + ["queued"] * 2
    assert column("attempts") == [1, 1, 1, 0, 0]


def test_poison(together, alone, script, monkeypatch, caplog):
    """A message that cannot be written is postponed; the others are sent together."""
    ask("one", "two", "three")
    write = message.write

    def fail(delivery, confirmation, account, token):
        if account.username == "two":
            raise RuntimeError
        return write(delivery, confirmation, account, token)

    monkeypatch.setattr(message, "write", fail)
    assert send_due() == Tally(sent=2, unsent=1)
    assert alone == column("pk")[1:2]
    assert column("state") == ["sent", "queued", "sent"]
    assert column("reason")[1] == Reason.CRASHED
    assert caplog.text.count("could not be processed") == 1


def test_a_store_that_fails(together, alone, script, monkeypatch, caplog):
    """If the accounts cannot be read together, they are read one by one."""
    ask("one", "two")

    def fail(wanted):
        raise RuntimeError

    monkeypatch.setattr(prepared, "accounts_of", fail)
    assert send_due() == Tally(sent=2)
    assert alone == column("pk")
    assert "one by one" in caplog.text


def test_no_connection(together, script, settings, monkeypatch):
    """If no connection can be opened, each delivery is tried by itself."""
    ask("one", "two")
    monkeypatch.setattr(ScriptedBackend, "open", lambda self: 1 / 0, raising=False)
    assert send_due() == Tally(unsent=2)
    assert column("state") == ["queued"] * 2
    assert column("token_digest") == [""] * 2


def test_a_connection_that_is_lost(together, alone, script, monkeypatch):
    """If the connection cannot be opened again, the next message is tried by itself."""
    ask("one", "two", "three")
    script.append(ConnectionRefusedError())
    opened = []

    def refuse(self):
        opened.append(self)
        if len(opened) > 1:
            raise ConnectionRefusedError

    monkeypatch.setattr(ScriptedBackend, "open", refuse, raising=False)
    assert send_due() == Tally(unsent=3)
    assert alone == column("pk")[1:]
    assert column("attempts") == [1] * 3


# Links


def test_links_of_a_batch(together, alone, script, clock):
    """Retries and resends repeat their links, and lost races leave a delivery to an attempt."""
    first, second, third = (UserFactory.create(username=name) for name in ("one", "two", "three"))
    queued(first)
    send_due()
    queued(second)
    script.append(ConnectionRefusedError())
    send_due()
    clock.move(minutes=5)
    for user in (first, third):
        queued(user)
    assert send_due() == Tally(sent=3)
    assert alone == []
    generations = Delivery.objects.order_by("pk").values_list(
        "confirmation__account__username", "generation"
    )
    assert list(generations) == [("one", 1), ("two", 1), ("one", 1), ("three", 1)]
    assert len(set(column("token_digest"))) == 3


def test_a_generation_that_another_took(together, alone, script, monkeypatch):
    """If another courier takes a generation, the links are assigned one by one."""
    ask("one", "two")
    read = suppression.suppressed

    def be_late(addresses):
        Confirmation.objects.filter(account__username="one").update(generation=7)
        return read(addresses)

    monkeypatch.setattr(suppression, "suppressed", be_late)
    assert send_due() == Tally(sent=2)
    assert alone == column("pk")
    assert column("generation") == [8, 2]


def test_a_lost_key(together, script, clock, settings):
    """A retry in a batch is given up if its link cannot be created."""
    ask("one", "two")
    script.extend([ConnectionRefusedError()] * 2)
    send_due()
    settings.SECRET_KEY = "another"
    clock.move(hours=1)
    assert send_due() == Tally(skipped=2)
    assert column("state") == ["abandoned"] * 2


def test_redirect_of_the_sign_up(together, alone, script):
    """Deliveries that name no redirect take that of their account's newest one."""
    client, urls = "arcade", ["https://arcade.example/a", "https://arcade.example/b?keep=1"]
    users = [UserFactory.create() for _ in range(2)]
    for user, url in zip(users, urls, strict=True):
        start(user, client=client, redirect=url)
    send_due()
    Cooldown.objects.all().delete()
    for user in users:
        start(user)
    assert send_due() == Tally(sent=2)
    assert alone == []
    redirects = column("redirect")
    assert redirects[:2] == redirects[2:]
    assert len(set(redirects)) == 2


# Accounts read together


def test_accounts_read_together(confirmed):
    """The accounts of several users are the same as those read one by one."""
    users = [PendingFactory.create(), confirmed, PendingFactory.create(is_active=False)]
    wanted = [(user.pk, address_of(user.email)) for user in users]
    wanted += [(users[0].pk, address_of("another@example.com")), (0, address_of("a@example.com"))]
    found = prepared.accounts_of(wanted)
    assert found == [accounts.of(*one) for one in wanted]
    assert [each and each.standing for each in found] == [
        Standing.PENDING,
        Standing.CONFIRMED,
        Standing.BLOCKED,
        None,
        None,
    ]


class OwnGet(ConfirmationStore):
    """Overrides ``get`` alone."""

    def get(self, user_id, address):
        return None


def test_a_host_that_overrides_get(change):
    """If a host's store overrides ``get`` alone, accounts are read by that."""
    user = PendingFactory.create()
    wanted = [(user.pk, address_of(user.email))]
    assert prepared.accounts_of(wanted) != [None]
    change(ACCOUNTS="tests.test_batches.OwnGet")
    assert prepared.accounts_of(wanted) == [None]


def test_begun_after_it_was_lost():
    """An attempt of a claim that was lost does not begin."""
    ask("one")
    (mine,) = batches.claim("me", 2)
    lost = Claim(mine.delivery, "another", 0.0)
    assert batches.begin(lost) is None
    begun = batches.begin(mine)
    assert begun
    assert begun.delivery.attempts == 1


def test_a_gate_that_was_passed_is_left(together, script, monkeypatch):
    """A message that is stopped after it passed the gate leaves it."""
    ask("one")
    (user,) = get_user_model().objects.all()
    reserve = gate.reserve_all

    def reserve_then_confirm(*given):
        confirm(user)
        return reserve(*given)

    monkeypatch.setattr(gate, "reserve_all", reserve_then_confirm)
    (mine,) = batches.claim("me", 2)
    with Connection() as connection:
        assert Batch([mine], connection, Held(), lambda: False).send() == Tally(skipped=1)
    assert Cooldown.objects.get().sent_at is None
    assert column("state") == ["abandoned"]

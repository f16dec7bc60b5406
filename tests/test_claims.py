"""Claims: a courier leases a row until it has stored the result or the lease expires."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest
from anymail.backends.test import EmailBackend as AnymailBackend
from anymail.signals import AnymailTrackingEvent, EventType, tracking
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import (
    DatabaseError,
    DataError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.db.models import F, QuerySet

from resend_confirmation import database
from resend_confirmation.courier import Tally, links, message, send_due
from resend_confirmation.deliveries import claims, superseding
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import DeliveryState, Reason
from resend_confirmation.signals import delivery_changed

from .factories import UserFactory, queued
from .mailers import ScriptedBackend, killed, through

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

#: Twice the default SEND_DEADLINE of 30 s.
LEASE = timedelta(seconds=60)


def row():
    return Delivery.objects.get()


def claimed(owner):
    made = claims.claim(owner)
    assert made
    return made


def states():
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


@pytest.fixture(params=["as the database can", "conditional", "skipping locked rows"])
def way(request, monkeypatch):
    """Both ways to claim a row, if the database supports them."""
    can_skip = connection.features.has_select_for_update_skip_locked
    assert claims.skips_locked() is can_skip
    assert can_skip is (connection.vendor != "sqlite")
    if request.param == "as the database can":
        return
    if request.param == "skipping locked rows" and not can_skip:
        pytest.skip("this database locks no rows")
    monkeypatch.setattr(claims, "skips_locked", lambda: request.param != "conditional")


@pytest.fixture
def told():
    """The calls of receivers of ``delivery_changed``."""
    heard = []

    def listen(sender, **given):
        heard.append((given["delivery_id"], given["state"], given["reason"]))

    delivery_changed.connect(listen)
    yield heard
    delivery_changed.disconnect(listen)


# Claiming


def test_exclusive(way):
    """A row is claimed by one courier only."""
    pks = [queued(UserFactory.create()).pk for _ in range(4)]
    claimed = [claims.claim(owner) for owner in ("one", "two", "one", "two", "three")]
    assert [made and made.delivery.pk for made in claimed] == [*pks, None]
    owners = Delivery.objects.order_by("pk").values_list("lease_owner", flat=True)
    assert list(owners) == ["one", "two", "one", "two"]
    assert states() == [DeliveryState.SENDING] * 4


def claimed_in_a_race(claim):
    """Return the keys that five couriers claim at the same time, by ``claim(owner)``."""

    def claim_all(place):
        mine = []
        try:
            while made := claim(f"courier {place}"):
                mine += [each.delivery.pk for each in made]
        finally:
            connections.close_all()
        return mine

    with ThreadPoolExecutor(5) as pool:
        return [pk for mine in pool.map(claim_all, range(5)) for pk in mine]


def test_exclusive_in_a_race(way):
    """Concurrent couriers claim each row exactly once."""
    pks = {queued(UserFactory.create()).pk for _ in range(20)}
    claimed = claimed_in_a_race(lambda owner: list(filter(None, [claims.claim(owner)])))
    assert sorted(claimed) == sorted(pks)


def test_a_lost_race(monkeypatch):
    """If another courier has taken the candidate, the next row is claimed."""
    monkeypatch.setattr(claims, "skips_locked", lambda: False)
    first, second = (queued(UserFactory.create()).pk for _ in range(2))
    take = claims._take

    def be_late(pk, owner):
        if pk == first:
            take(pk, "quicker")
        return take(pk, owner)

    monkeypatch.setattr(claims, "_take", be_late)
    assert claimed("late").delivery.pk == second
    assert Delivery.objects.get(pk=first).lease_owner == "quicker"


def test_the_longest_due_first(clock, way):
    """The most overdue row is claimed first, and no row before it is due."""
    pks = [queued(UserFactory.create()).pk for _ in range(3)]
    for pk, minutes in zip(pks, [-1, -3, 1], strict=True):
        Delivery.objects.filter(pk=pk).update(not_before=clock.now + timedelta(minutes=minutes))
    assert [claimed("one").delivery.pk for _ in range(2)] == [pks[1], pks[0]]
    assert claims.claim("one") is None


def test_claim_raises_attempts_and_starts_a_lease(pending, clock, way):
    """A claim increments the attempts and starts a lease of twice the send deadline."""
    queued(pending)
    Delivery.objects.update(handed_at=clock.now)
    claims.claim("one")
    found = row()
    assert (found.attempts, found.lease_until) == (1, clock.now + LEASE)
    assert found.handed_at is None


@pytest.mark.parametrize("skips", [False, True])
def test_never_in_a_transaction(pending, monkeypatch, skips):
    """A claim in a transaction is refused, since it could be rolled back after the send."""
    monkeypatch.setattr(claims, "skips_locked", lambda: skips)
    queued(pending)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        claims.claim("one")
    assert states() == [DeliveryState.QUEUED]


def test_deleted_as_it_was_claimed(monkeypatch):
    """A row that is deleted with its account during the claim is skipped."""
    gone, stays = (queued(UserFactory.create()) for _ in range(2))
    take = claims._take

    def take_then_delete(pk, owner):
        taken = take(pk, owner)
        if pk == gone.pk:
            get_user_model().objects.filter(pk=gone.confirmation.account_id).delete()
        return taken

    monkeypatch.setattr(claims, "_take", take_then_delete)
    assert claimed("one").delivery.pk == stays.pk


def test_owners():
    """Owners of leases are unique and fit their column."""
    owners = {claims.new_owner() for _ in range(1000)}
    assert len(owners) == 1000
    assert max(map(len, owners)) <= 64


# The lease


def test_a_lease_that_runs(pending, clock):
    """A row is not claimed before its lease has expired, and is due again afterwards."""
    queued(pending)
    claims.claim("slow")
    clock.move(seconds=60)
    claims.reclaim()
    assert claims.claim("quick") is None
    clock.move(seconds=1)
    claims.reclaim()
    assert claimed("quick").delivery.pk == row().pk


@pytest.mark.parametrize("lengthen", [claims.hand_over, claims.heartbeat])
def test_lengthened(pending, clock, lengthen):
    """The hand-over and each heartbeat renew the lease."""
    queued(pending)
    made = claimed("one")
    clock.move(seconds=40)
    lengthen(made)
    assert row().lease_until == clock.now + LEASE
    clock.move(seconds=40)
    claims.reclaim()
    assert states() == [DeliveryState.SENDING]


@pytest.mark.parametrize("successor", ["", "quick"], ids=["waiting again", "with another"])
def test_fenced(pending, clock, told, successor):
    """A courier that lost its lease cannot change the row, and sends no signal."""
    queued(pending)
    slow = claimed("slow")
    clock.move(seconds=61)
    claims.reclaim()
    if successor:
        claims.claim(successor)
    before = Delivery.objects.values().get()
    told.clear()
    assert claims.hand_over(slow) is False
    claims.heartbeat(slow)
    assert claims.mark(slow, DeliveryState.FAILED, summary={"sends": 7}) is False
    assert claims.put_back(slow, timedelta()) is False
    assert Delivery.objects.values().get() == before
    assert Confirmation.objects.get().sends == 0
    assert told == []


def test_lost_before_the_hand_over(pending, clock, monkeypatch):
    """A courier that lost its lease before the hand-over does not send the message."""
    queued(pending)
    write = message.write

    def write_slowly(*given):
        clock.move(seconds=61)
        claims.reclaim()
        return write(*given)

    monkeypatch.setattr(message, "write", write_slowly)
    assert send_due(1) == Tally(skipped=1)
    assert mail.outbox == []
    assert states() == [DeliveryState.QUEUED]


# Couriers that were killed


def die(clock):
    """Simulate a courier that is killed during a send, and wait until its lease expires."""
    with killed():
        send_due()
    clock.move(seconds=61)


def test_killed_once(pending, clock, script):
    """If a courier is killed during a send, the identical message is sent once more."""
    queued(pending)
    die(clock)
    assert states() == [DeliveryState.SENDING]
    assert send_due() == Tally(sent=1)
    first, second = ScriptedBackend.seen
    assert first.body == second.body
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]
    found = row()
    assert (found.state, found.reason, found.doubts) == (DeliveryState.SENT, Reason.NONE, 1)


def test_killed_before_the_hand_over(pending, clock):
    """If a courier is killed before the hand-over, the result is not ambiguous."""
    queued(pending)
    claims.claim("killed")
    clock.move(seconds=61)
    claims.reclaim()
    found = row()
    assert (found.state, found.reason) == (DeliveryState.QUEUED, Reason.INTERRUPTED)
    assert (found.doubts, found.error_class) == (0, "LeaseExpired")
    assert (found.lease_owner, found.lease_until) == ("", None)
    assert found.not_before == clock.now


def test_few_expired_leases_at_a_time(clock, monkeypatch):
    """A round takes over a limited number of leases; an earlier reply does not explain them."""
    monkeypatch.setattr(claims, "RECLAIM_LIMIT", 1)
    for _ in range(2):
        queued(UserFactory.create())
        claimed("killed")
    Delivery.objects.update(error_code="451")
    clock.move(seconds=61)
    claims.reclaim()
    found = Delivery.objects.order_by("pk").values_list("state", "error_code")
    assert list(found) == [(DeliveryState.QUEUED, ""), (DeliveryState.SENDING, "451")]


def test_killed_again_and_again(pending, clock, script, told):
    """If couriers are killed during six sends of a message, its state is unknown."""
    queued(pending)
    for _ in range(6):
        die(clock)
    assert send_due() == Tally()
    found = row()
    assert (found.state, found.reason) == (DeliveryState.UNKNOWN, Reason.DOUBTFUL)
    assert (found.attempts, found.doubts, found.ended_at) == (6, 5, clock.now)
    assert len(ScriptedBackend.seen) == 6
    assert told[-1:] == [(found.pk, DeliveryState.UNKNOWN, Reason.DOUBTFUL)]
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.UNKNOWN
    clock.move(days=1)
    assert send_due() == Tally()


def test_killed_again_and_again_before_the_hand_over(pending, clock, told):
    """If couriers are killed six times before the hand-over, the delivery has failed."""
    queued(pending)
    for attempt in range(1, 7):
        assert claimed("killed").delivery.attempts == attempt
        clock.move(seconds=61)
        claims.reclaim()
    found = row()
    assert (found.state, found.reason) == (DeliveryState.FAILED, Reason.INTERRUPTED)
    assert (found.doubts, found.ended_at) == (0, clock.now)
    assert told[-1:] == [(found.pk, DeliveryState.FAILED, Reason.INTERRUPTED)]
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.FAILED


# Storing the result


@pytest.fixture
def cut(monkeypatch):
    """The errors with which the next updates of the row lose their database session."""
    monkeypatch.setattr(database, "FIRST_WAIT", 0.001)
    held = claims.is_held
    errors: list[Exception] = []

    def held_unless_cut(claim):
        if errors:
            error = errors.pop(0)
            connection.close()
            raise error
        return held(claim)

    monkeypatch.setattr(claims, "is_held", held_unless_cut)
    return errors


def cut_after_the_hand_over(monkeypatch, cut, errors):
    """Lose the database session after the backend has accepted the message."""

    class CutAfter:
        def pop(self, place):
            cut.extend(errors)

        def __bool__(self):
            return True

    monkeypatch.setattr(ScriptedBackend, "script", CutAfter())


@pytest.mark.parametrize("error", [*DatabaseError.__subclasses__(), InterfaceError])
def test_marked_over_errors_of_the_database(pending, cut, script, monkeypatch, error):
    """If storing the result fails, it is retried, and the message is not sent again."""
    queued(pending)
    cut_after_the_hand_over(monkeypatch, cut, [error("no") for _ in range(3)])
    assert send_due() == Tally(sent=1)
    assert (cut, states(), len(mail.outbox)) == ([], [DeliveryState.SENT], 1)
    assert row().doubts == 0
    assert Confirmation.objects.get().sends == 1
    assert send_due() == Tally()


@pytest.mark.parametrize("lengthen", [claims.hand_over, claims.heartbeat])
@pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
def test_a_lease_lengthened_over_cut_sessions(pending, cut, lengthen, error):
    """Renewing a lease is retried on a new session."""
    queued(pending)
    made = claimed("one")
    before = made.lease_ends
    cut.extend([error("terminated")] * 2)
    lengthen(made)
    assert cut == []
    assert made.lease_ends > before


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("x" * 300, "x" * 255),
        ("a\0b", "a?b"),
        ("a\ud800b", "a?b"),
        ("\U0001f4e7" * 300, "\U0001f4e7" * 255),
    ],
    ids=["long", "NUL", "half a pair", "long in code points"],
)
def test_provider_id_is_cut_to_its_column(pending, settings, monkeypatch, said, kept):
    """A provider's id that does not fit its column is adapted, and still matches reports."""
    through(settings, "anymail.backends.test.EmailBackend")
    monkeypatch.setattr(AnymailBackend, "get_esp_message_id", lambda self, message: said)
    queued(pending)
    assert send_due() == Tally(sent=1)
    assert (row().state, row().provider_id, row().doubts) == (DeliveryState.SENT, kept, 0)
    event = AnymailTrackingEvent(
        event_type=EventType.DELIVERED, message_id=said, recipient="another@example.com"
    )
    tracking.send(object, event=event, esp_name="Test")
    assert (row().state, len(mail.outbox)) == (DeliveryState.DELIVERED, 1)


@pytest.mark.parametrize("error", [DataError("no"), ValueError("no")])
def test_mark_leaves_out_a_value_that_the_database_refuses(pending, monkeypatch, caplog, error):
    """If the database refuses a mail server's text, the result is stored without it."""
    queued(pending)
    made = claimed("one")
    update = QuerySet.update

    def refuse(self, **values):
        if values.get("error_code"):
            raise error
        return update(self, **values)

    monkeypatch.setattr(QuerySet, "update", refuse)
    assert claims.mark(made, DeliveryState.FAILED, reason=Reason.REFUSED, error_code="550")
    assert (row().state, row().reason) == (DeliveryState.FAILED, Reason.REFUSED)
    assert row().error_code == ""
    assert "could not be stored" in caplog.text


def test_told_once(pending, cut, told):
    """If storing the result is retried, the signal is sent once."""
    queued(pending)
    made = claimed("one")
    told.clear()
    cut.extend([OperationalError("server closed the connection unexpectedly")] * 5)
    assert claims.mark(made, DeliveryState.SENT, summary={"sends": 1}) is True
    assert (cut, states()) == ([], [DeliveryState.SENT])
    assert Confirmation.objects.get().sends == 1
    assert told == [(made.delivery.pk, DeliveryState.SENT, Reason.NONE)]


def test_marked_until_the_lease_ends(pending, cut, monkeypatch):
    """Storing the result is retried until the lease expires."""
    monkeypatch.setattr(claims, "lease", lambda: timedelta(seconds=0.4))
    queued(pending)
    made = claimed("one")
    cut.extend([OperationalError("no route to host")] * 10_000)
    with pytest.raises(OperationalError, match="no route to host"):
        claims.mark(made, DeliveryState.SENT)
    # There were retries, but not as many as there were errors left.
    assert 1 < 10_000 - len(cut) < 10_000
    cut.clear()
    assert states() == [DeliveryState.SENDING]


def test_an_error_that_is_not_retried(pending, monkeypatch):
    """Only errors of lost sessions are retried."""
    queued(pending)
    made = claimed("one")
    calls = []

    def fail(claim):
        calls.append(claim)
        raise ZeroDivisionError

    monkeypatch.setattr(claims, "is_held", fail)
    with pytest.raises(ZeroDivisionError):
        claims.mark(made, DeliveryState.SENT)
    assert len(calls) == 1


def test_not_repeated_within_a_transaction(pending, cut):
    """Nothing is retried in the caller's transaction, which ended with its session."""
    queued(pending)
    made = claimed("one")
    with transaction.atomic():
        cut_inside = SimpleNamespace(calls=0)

        def fail():
            cut_inside.calls += 1
            raise OperationalError

        with pytest.raises(OperationalError):
            database.retry_on_disconnect(fail, time.monotonic() + 60)
    assert cut_inside.calls == 1
    assert claims.mark(made, DeliveryState.SENT) is True


def test_marks_and_tells_in_one_transaction(pending, monkeypatch):
    """Delivery and confirmation are updated in one transaction, which is retried as a whole."""
    monkeypatch.setattr(database, "FIRST_WAIT", 0.001)
    queued(pending)
    made = claimed("one")
    filter_ = Confirmation.objects.filter
    seen = []

    def fail_once(**given):
        seen.append(states())
        if len(seen) == 1:
            raise OperationalError("terminated")
        return filter_(**given)

    monkeypatch.setattr(Confirmation.objects, "filter", fail_once)
    assert claims.mark(made, DeliveryState.SENT, summary={"sends": 1}) is True
    monkeypatch.undo()
    assert seen == [[DeliveryState.SENT]] * 2
    assert Confirmation.objects.get().sends == 1


# The provider's webhook


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.BOUNCED])
def test_a_webhook_that_is_faster(pending, clock, script, monkeypatch, state):
    """A state that the provider reported first is kept; the courier adds time and count."""
    queued(pending)
    mark = claims.mark

    def be_late(*args, **kwargs):
        Delivery.objects.update(state=state, lease_owner="", lease_until=None)
        Confirmation.objects.update(last_delivery_state=state)
        return mark(*args, **kwargs)

    monkeypatch.setattr(claims, "mark", be_late)
    assert send_due() == Tally(sent=1)
    found, confirmation = row(), Confirmation.objects.get()
    assert (found.state, found.sent_at) == (state, clock.now)
    assert (confirmation.last_delivery_state, confirmation.sends) == (state, 1)
    assert confirmation.last_sent_at == clock.now
    assert Cooldown.objects.get().sent_at == clock.now


def test_superseded_after_a_newer_one(pending):
    """The confirmation keeps the state of its newest delivery."""
    queued(pending)
    made = claimed("one")
    Confirmation.objects.update(last_delivery_state=DeliveryState.SENT)
    assert claims.end(made, Reason.SUPERSEDED)
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.SENT


def test_claimed_as_it_was_superseded(pending, monkeypatch):
    """A delivery that a courier has just claimed is left to it."""
    queued(pending)
    end = superseding._end

    def be_late(delivery):
        claimed("quicker")
        return end(delivery)

    monkeypatch.setattr(superseding, "_end", be_late)
    assert superseding.end_waiting(Confirmation.objects.get().pk) == []
    assert row().state == DeliveryState.SENDING


def test_facts_are_added_once(pending, clock):
    """Storing the facts of a sent message again does not count it again."""
    queued(pending)
    made = claimed("one")
    for _ in range(2):
        claims.note(made, {"sent_at": clock.now}, {"sends": F("sends") + 1})
    assert (row().sent_at, Confirmation.objects.get().sends) == (clock.now, 1)


# Sessions that are lost before the hand-over


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    ("module", "name"), [(links, "assign"), (message, "write"), (claims, "hand_over")]
)
def test_cut_before_the_hand_over(pending, monkeypatch, module, name, place):
    """A session lost before the hand-over is replaced at once, without another attempt."""
    monkeypatch.setattr(database, "FIRST_WAIT", 0.001)
    queued(pending)
    original = getattr(module, name)
    errors = [OperationalError("terminated"), InterfaceError("closed")]

    def cut_off(*args):
        if place == "after":
            result = original(*args)
        if errors:
            connection.close()
            raise errors.pop(0)
        return result if place == "after" else original(*args)

    monkeypatch.setattr(module, name, cut_off)
    assert send_due() == Tally(sent=1)
    found = row()
    assert (found.state, found.attempts, found.doubts) == (DeliveryState.SENT, 1, 0)
    (letter,) = mail.outbox
    assert letter.extra_headers["Message-ID"] == found.message_id != ""
    assert found.token_digest != ""


def test_cut_while_the_link_is_written_down(pending, monkeypatch):
    """If the session is lost while the link is stored, the message and the row still match."""
    monkeypatch.setattr(database, "FIRST_WAIT", 0.001)
    queued(pending)
    update = QuerySet.update
    errors = [OperationalError("terminated")]

    def update_unless_cut(self, **values):
        if "token_digest" in values and errors:
            raise errors.pop()
        return update(self, **values)

    monkeypatch.setattr(QuerySet, "update", update_unless_cut)
    assert send_due() == Tally(sent=1)
    (letter,) = mail.outbox
    assert letter.extra_headers["Message-ID"] == row().message_id
    assert errors == []


def test_a_database_that_stays_down(pending, clock, monkeypatch):
    """If no new session succeeds, the message is retried later, until it is too late."""
    monkeypatch.setattr(database, "RECONNECT_SECONDS", 0)
    queued(pending)

    def fail(*_):
        raise OperationalError("no such table: of the host's")

    monkeypatch.setattr(message, "write", fail)
    assert send_due() == Tally(unsent=1)
    found = row()
    assert (found.state, found.reason) == (DeliveryState.QUEUED, Reason.CRASHED)
    # An error of the database does not count as an attempt.
    assert found.attempts == 0
    clock.now = found.asked_at + timedelta(hours=24)
    assert send_due() == Tally(unsent=1)
    assert (row().state, row().reason) == (DeliveryState.FAILED, Reason.TOO_LATE)

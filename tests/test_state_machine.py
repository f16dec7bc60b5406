"""Deliveries as a state machine: for any events, in any order, the promises hold."""

import re
import smtplib
from collections import Counter
from datetime import datetime
from typing import Any, ClassVar
from unittest import mock

import pytest
from anymail.exceptions import AnymailSerializationError
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason, tracking
from django.core.mail.backends.base import BaseEmailBackend
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from requests.exceptions import ReadTimeout

import resend_confirmation.database
from resend_confirmation import clients, conf, engine, start, withdraw
from resend_confirmation.courier import worker
from resend_confirmation.email_backend import Failure
from resend_confirmation.engine import ResendRequest
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.models import Confirmation, Delivery, Suppression
from resend_confirmation.outcomes import CONCEALED, ConfirmationState, DeliveryState
from resend_confirmation.signals import delivery_changed

from .conftest import examples
from .factories import PendingFactory, address_of
from .mailers import killed, through

S = DeliveryState
S_PENDING = ConfirmationState.PENDING
#: From where to where a delivery may go in one step; what is not here is an end.
STEPS: dict[str, set[DeliveryState]] = {
    S.ASKED: {S.QUEUED, S.IGNORED, S.FAILED},
    # To the last four only if an attempt was ambiguous: it may have been sent already.
    S.QUEUED: {
        S.SENDING,
        S.SUPERSEDED,
        S.ABANDONED,
        S.UNKNOWN,
        S.DELIVERED,
        S.BOUNCED,
        S.COMPLAINED,
    },
    S.SENDING: {S.QUEUED, S.SENT, S.FAILED, S.ABANDONED, S.SUPPRESSED, S.SUPERSEDED, S.UNKNOWN}
    | {S.DELIVERED, S.BOUNCED, S.COMPLAINED},
    S.SENT: {S.DELIVERED, S.BOUNCED, S.COMPLAINED},
    S.UNKNOWN: {S.DELIVERED, S.BOUNCED, S.COMPLAINED},
    S.DELIVERED: {S.BOUNCED, S.COMPLAINED},
    S.BOUNCED: {S.COMPLAINED},
}
#: The first try, five repeats, and one after an ambiguous attempt.
MOST_ATTEMPTS = 7
#: The first send without a reply, and the one repeat.
MOST_SILENT = 2
NAMES = ("ann", "ben", "bob")
#: Two of the accounts share an address.
MAILBOXES = {"ann": "ann", "ben": "ben", "bob": "ben"}


class Provider(BaseEmailBackend):
    """A mail server that answers as told and keeps what went out."""

    answers: ClassVar[list[tuple[bool, BaseException | None]]] = []
    #: Message-IDs of sends that were not answered.
    silent: ClassVar[Counter[str]] = Counter()
    #: Message-ID and recipient of each copy that went out.
    copies: ClassVar[list[tuple[str, str]]] = []
    #: When each of them did.
    times: ClassVar[list[datetime]] = []

    def send_messages(self, messages):
        (message,) = messages
        (recipient,) = message.recipients()
        is_out, error = self.answers.pop(0) if self.answers else (True, None)
        if is_out:
            self.copies.append((message.extra_headers["Message-ID"], recipient))
            self.times.append(resend_confirmation.database.now())
        if isinstance(error, ReadTimeout):
            self.silent[message.extra_headers["Message-ID"]] += 1
        if error is not None:
            raise error
        return 1


#: Each kind of answer, and whether the message went out all the same.
ANSWERS: dict[tuple[Failure | None, bool], Any] = {
    (None, True): lambda: None,
    (Failure.NOT_ACCEPTED, False): ConnectionRefusedError,
    (Failure.REFUSED, False): lambda: smtplib.SMTPRecipientsRefused({"a@b": (550, b"no")}),
    (Failure.UNSUPPORTED, False): AnymailSerializationError,
    (Failure.CONFIGURATION, False): lambda: smtplib.SMTPAuthenticationError(535, b"no"),
    (Failure.AMBIGUOUS, False): ReadTimeout,
    (Failure.AMBIGUOUS, True): ReadTimeout,
}
REPORTS = {
    "delivered": {"event_type": EventType.DELIVERED},
    "hard": {"event_type": EventType.BOUNCED, "reject_reason": RejectReason.BOUNCED},
    "soft": {"event_type": EventType.BOUNCED, "mta_response": "452 4.2.2 full"},
    "complained": {"event_type": EventType.COMPLAINED},
}

names = st.sampled_from(NAMES)
answers = st.sampled_from(sorted(ANSWERS, key=str))
#: A mixture, or the same again and again.
conversations = st.lists(answers, min_size=1, max_size=8) | answers.map(lambda one: [one] * 8)


class Example(TestCase):
    """Rolls the database back after each example."""


class Deliveries(RuleBasedStateMachine):
    """Accounts, their requests, a courier, a mail server and its reports."""

    clock: ClassVar[Any]

    def __init__(self):
        super().__init__()
        self.example = Example()
        self.example.setup_example()
        self.beginning = self.clock.now
        Provider.answers.clear()
        Provider.copies.clear()
        Provider.times.clear()
        Provider.silent.clear()
        #: Last state of each delivery that was told.
        self.states: dict[int, DeliveryState] = {}
        #: Steps that may not be; a receiver's own error would be swallowed.
        self.missteps: list[str] = []
        self.message_ids: dict[int, str] = {}
        delivery_changed.connect(self.step)
        # An example is never committed.
        self.commits = mock.patch("resend_confirmation.database.on_commit", lambda work: work())
        self.commits.start()

    def teardown(self):
        self.commits.stop()
        delivery_changed.disconnect(self.step)
        self.clock.now = self.beginning
        self.example.teardown_example(None)

    @initialize()
    def sign_up(self):
        self.users = {
            name: PendingFactory.create(username=name, email=f"{MAILBOXES[name]}@example.com")
            for name in NAMES
        }

    def step(self, delivery_id, state, **_):
        """Record a change of state."""
        before = self.states.get(delivery_id)
        if before is not None and state not in STEPS.get(before, set()):
            self.missteps.append(f"{delivery_id}: {before} -> {state}")
        self.states[delivery_id] = state

    def confirmations(self, name):
        return Confirmation.objects.filter(account=self.users[name])

    # Events of hosts, callers and staff

    @rule(name=names)
    def start(self, name):
        self.users[name].refresh_from_db()
        start(self.users[name])

    @rule(name=names, quiet=st.booleans())
    def resend(self, name, quiet):
        quiet = CONCEALED if quiet else frozenset()
        engine.resend(ResendRequest(identity=name, client=clients.default(), quiet=quiet))

    @rule(name=names)
    def ask_for_the_address(self, name):
        identity = f"{MAILBOXES[name]}@example.com"
        engine.resend(ResendRequest(identity=identity, client=clients.default()))

    @rule(name=names)
    def send_to(self, name):
        for account in find_accounts(name):
            engine.send_to(account)

    @rule(name=names)
    def withdraw(self, name):
        for confirmation in self.confirmations(name):
            withdraw(confirmation)

    @rule(name=names)
    def confirm(self, name):
        for confirmation in self.confirmations(name):
            engine.confirm_by_hand(confirmation)

    @rule(name=names, active=st.sampled_from([True, True, False]))
    def activate(self, name, active):
        type(self.users[name]).objects.filter(pk=self.users[name].pk).update(is_active=active)

    @rule(name=names, host=st.sampled_from(["example.com", "example.com", "example.org"]))
    def move(self, name, host):
        users = type(self.users[name]).objects.filter(pk=self.users[name].pk)
        users.update(email=f"{MAILBOXES[name]}@{host}")

    @rule()
    def lift(self):
        Suppression.objects.all().delete()

    @rule(seconds=st.sampled_from([1, 31, 61, 700, 3600, 8000, 90_000]))
    def wait(self, seconds):
        self.clock.move(seconds=seconds)

    # Events of couriers, mail servers and providers

    @rule(said=st.lists(answers, max_size=4), limit=st.integers(1, 5))
    def carry(self, said, limit):
        Provider.answers[:] = [(is_out, ANSWERS[kind, is_out]()) for kind, is_out in said]
        self.watched(lambda: engine.drain(limit))

    @rule(name=names, said=conversations)
    def start_and_carry(self, name, said):
        """Send a message and its repeats, each as soon as it is due."""
        self.start(name)
        for one in said:
            self.carry([one], 1)
            self.attempts_are_bounded()
            if queued := Delivery.objects.filter(state=S.QUEUED).order_by("not_before").first():
                self.clock.now = max(self.clock.now, queued.not_before)

    @rule(is_out=st.booleans(), later=st.sampled_from([61, 61, 0]))
    def die(self, is_out, later):
        """Kill a courier while it sends, before or after the server accepted the message."""
        Provider.answers[:] = [(is_out, None)]

        def drain():
            with killed():
                engine.drain(1)

        self.watched(drain)
        self.clock.move(seconds=later)

    @rule(number=st.integers(0, 20), kind=st.sampled_from(sorted(REPORTS)))
    def report(self, number, kind):
        rows = list(Delivery.objects.order_by("pk").select_related("confirmation"))
        if not rows:
            return
        row = rows[number % len(rows)]
        recipient = row.confirmation.address if row.confirmation else "nobody@example.com"
        event = AnymailTrackingEvent(
            metadata={"delivery": str(row.pk)}, recipient=recipient, **REPORTS[kind]
        )
        tracking.send(object, event=event, esp_name="Test")
        if row.state == DeliveryState.QUEUED and not row.doubts:
            # A message that was not sent cannot be reported.
            assert Delivery.objects.get(pk=row.pk).state == DeliveryState.QUEUED

    def watched(self, drain):
        """Each recipient of a message has a pending account, and may get it."""
        suppressed = set(Suppression.objects.values_list("digest", flat=True))
        rows = list(Confirmation.objects.select_related("account"))
        ended = {(row.account_id, row.address) for row in rows if row.state != S_PENDING}
        # A change of address before the confirmation takes the wait along.
        allowed = {
            row.account.email
            for row in rows
            if row.state == S_PENDING
            and row.account.is_active
            and (row.account_id, row.account.email) not in ended
            and not suppressed & set(address_of(row.account.email).digests("suppression"))
        }
        before = len(Provider.copies)
        drain()
        recipients = {recipient for _, recipient in Provider.copies[before:]}
        assert recipients <= allowed, f"{recipients} of {allowed}"

    # Invariants

    @invariant()
    def steps_are_allowed(self):
        """No final state is left, and every step is an allowed one."""
        assert self.missteps == []

    @invariant()
    def rows_are_as_told(self):
        """Every state that is written was announced."""
        for pk, state in Delivery.objects.values_list("pk", "state"):
            assert self.states[pk] == state

    @invariant()
    def copies_are_bounded(self):
        """One copy each, one more per ambiguous attempt; all with the delivery's Message-ID."""
        assert all(count <= MOST_SILENT for count in Provider.silent.values())
        copies = Counter(message_id for message_id, _ in Provider.copies)
        rows = list(Delivery.objects.exclude(message_id=""))
        ids = [row.message_id for row in rows]
        assert len(ids) == len(set(ids))
        assert set(copies) <= set(ids)
        for row in rows:
            # A courier that died has left an ambiguous attempt that is not counted yet.
            unseen = row.state == DeliveryState.SENDING
            assert copies[row.message_id] <= 1 + row.doubts + unseen
            before = self.message_ids.get(row.pk, row.message_id)
            # A link that was late before anything went out is another message.
            assert row.message_id == before or not copies[before]
            self.message_ids[row.pk] = row.message_id
            assert re.fullmatch(r"<[0-9a-f-]{36}@site\.example>", row.message_id)

    @invariant()
    def copies_keep_their_distance(self):
        """No two messages reach an address within the cooldown, unless they are identical."""
        gap = conf.get().COOLDOWN.gap
        newest: dict[str, tuple[str, datetime]] = {}
        for (message_id, recipient), at in zip(Provider.copies, Provider.times, strict=True):
            other, before = newest.get(recipient, (message_id, at))
            assert other == message_id or at - before >= gap
            newest[recipient] = (message_id, at)

    @invariant()
    def attempts_are_bounded(self):
        """No delivery is attempted without end."""
        for row in Delivery.objects.all():
            assert row.attempts <= MOST_ATTEMPTS
            assert row.attempts >= 0

    @invariant()
    def leases_are_held_while_sending(self):
        """A delivery not on its way has no owner, and an ended one has its time."""
        for row in Delivery.objects.all():
            assert bool(row.lease_owner) == (row.state == DeliveryState.SENDING)
            is_open = row.state in {S.ASKED, S.QUEUED, S.SENDING, S.SENT}
            assert (row.ended_at is None) == is_open
            assert row.identity == "" or row.state == DeliveryState.ASKED


@pytest.mark.database
@pytest.mark.django_db
@pytest.mark.parametrize("size", [1, 20], ids=["one by one", "in batches"])
@pytest.mark.parametrize("cooldown", [[], ["1/60s"]], ids=["no gap", "60s"])
def test_deliveries(cooldown, size, clock, settings, monkeypatch):
    """Final states stay, suppressed addresses get nothing, copies are few and far apart."""
    through(settings, "tests.test_state_machine.Provider")
    monkeypatch.setattr(worker, "FIRST_SIZE", size)
    monkeypatch.setattr(worker, "next_size", lambda *_: size)
    settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | {
        "COOLDOWN": cooldown,
    }
    Deliveries.clock = clock
    run_state_machine_as_test(Deliveries, settings=LIMITS)


@pytest.mark.django_db
def test_faults_of_two_kinds_are_counted_together(pending, clock, settings):
    """Crashes with another fault in between do not reset the count."""
    through(settings, "tests.test_state_machine.Provider")
    Provider.copies.clear()
    start(pending)
    for _ in range(10):
        Provider.answers.clear()
        with killed():
            engine.drain()
        clock.move(seconds=61)
        Provider.answers[:] = [(False, smtplib.SMTPAuthenticationError(535, b"no"))]
        engine.drain()
        clock.move(seconds=61)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == (DeliveryState.UNKNOWN, 6)
    assert len(Provider.copies) == 6


LIMITS = settings(
    max_examples=examples(8),
    stateful_step_count=40,
)

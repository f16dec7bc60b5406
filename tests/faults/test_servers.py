"""Mail servers that misbehave: each message ends as it should, and its row says why."""

import asyncio
import socket
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.smtp import AuthResult

from resend_confirmation.courier import Tally, pause, send_due
from resend_confirmation.outcomes import DeliveryState, Reason
from tests.demonstration import free_port
from tests.factories import UserFactory, queued
from tests.mailers import SMTP, through
from tests.smtp_server import Server

from .conftest import wait_until
from .test_kills import link_in
from .test_sessions import on_postgres

pytestmark = [pytest.mark.faults, pytest.mark.django_db]

QUEUED, SENT, FAILED = DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.FAILED


class Mailbox:
    """A server that accepts everything and misbehaves at the step that a test overrides."""

    def __init__(self):
        self.taken = []
        self.peers = []
        self.tried: Counter[str] = Counter()

    def took(self):
        """Return the number of messages by recipient."""
        return Counter(recipient for recipient, _ in self.taken)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        self.tried[address] += 1
        answer = await self.at_recipient(server, address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def at_recipient(self, server, address):
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        (recipient,) = envelope.rcpt_tos
        message = message_from_bytes(envelope.content, policy=policy.default)
        return await self.at_body(server, recipient, message, session.peer)

    async def at_body(self, server, recipient, message, peer):
        self.taken.append((recipient, message))
        self.peers.append(peer)
        return "250 OK"

    def assert_copies_are_identical(self):
        """Assert that all messages to one recipient are copies of one message."""
        for recipient in self.took():
            copies = [message for to, message in self.taken if to == recipient]
            assert len({copy["Message-ID"] for copy in copies}) == 1
            assert len({link_in(copy) for copy in copies}) == 1


async def for_ever():
    """Never return; ends when the client hangs up or the server stops."""
    await asyncio.Event().wait()


async def drip(server):
    """Write one byte of a reply every half second, which resets each of the client's timeouts."""
    while not server.transport.is_closing():
        server.transport.write(b"2")
        await asyncio.sleep(0.5)
    await for_ever()


@pytest.fixture
def serve(settings, change):
    """Start a server for a mailbox, and send through it with a deadline of seconds."""
    change(SEND_DEADLINE=4)
    started = []

    def start(mailbox, port=0, **options):
        server = Server(mailbox, port=port, **options)
        server.start()
        started.append(server)
        through(settings, SMTP, host="127.0.0.1", port=server.port)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def delivery(pending, clock):
    """A delivery for pending@example.com."""
    return queued(pending)


def when_due(clock, delivery):
    """Move the clock to the next attempt of ``delivery``."""
    delivery.refresh_from_db()
    clock.now = max(clock.now, delivery.not_before)


def says(delivery):
    """Return the row's state, reason, error and attempts."""
    delivery.refresh_from_db()
    return (
        delivery.state,
        delivery.reason,
        delivery.error_class,
        delivery.error_code,
        delivery.attempts,
        delivery.doubts,
    )


def went_out(attempts, doubts=0):
    return (SENT, Reason.NONE, "", "", attempts, doubts)


# Servers that do not accept


def test_refuses_connections(serve, settings, clock, delivery):
    """While the server is down the message waits; it is sent once the server is back."""
    port = free_port()
    through(settings, SMTP, host="127.0.0.1", port=port)
    for attempt in (1, 2):
        assert send_due() == Tally(unsent=1)
        why = ("ConnectionRefusedError", "")
        assert says(delivery) == (QUEUED, Reason.NOT_ACCEPTED, *why, attempt, 0)
        when_due(clock, delivery)
    mailbox = Mailbox()
    serve(mailbox, port)
    assert send_due() == Tally(sent=1)
    assert says(delivery) == went_out(3)
    assert mailbox.took() == {"pending@example.com": 1}


def test_refuses_connections_for_hours(settings, clock, delivery, change):
    """After six attempts over two and a half hours the message has failed."""
    change(SEND_DEADLINE=4)
    through(settings, SMTP, host="127.0.0.1", port=free_port())
    started = clock.now
    for _ in range(6):
        when_due(clock, delivery)
        assert send_due() == Tally(unsent=1)
    why = ("ConnectionRefusedError", "")
    assert says(delivery) == (FAILED, Reason.NOT_ACCEPTED, *why, 6, 0)
    assert timedelta(hours=2, minutes=42) < clock.now - started < timedelta(hours=3, minutes=16)


class Greylist(Mailbox):
    """Defers each recipient once."""

    async def at_recipient(self, server, address):
        return "451 4.7.1 greylisted" if self.tried[address] == 1 else "250 OK"


def test_greylists(serve, clock, delivery):
    """A deferred recipient gets the message at the second attempt, half a minute later."""
    mailbox = Greylist()
    serve(mailbox)
    assert send_due() == Tally(unsent=1)
    why = ("SMTPRecipientsRefused", "451")
    assert says(delivery) == (QUEUED, Reason.NOT_ACCEPTED, *why, 1, 0)
    assert 30 <= (delivery.not_before - clock.now).total_seconds() <= 36
    when_due(clock, delivery)
    assert send_due() == Tally(sent=1)
    assert says(delivery) == went_out(2)
    assert mailbox.took() == {"pending@example.com": 1}


class Answers(Mailbox):
    """Replies to RCPT as the test says."""

    def __init__(self, **answers):
        super().__init__()
        self.answers = answers

    async def at_recipient(self, server, address):
        return self.answers.get(address.partition("@")[0], "250 OK")


def test_451_for_ever(serve, clock, delivery):
    """A recipient that is deferred six times is given up after six attempts."""
    mailbox = Answers(pending="451 4.3.0 try again later")
    serve(mailbox)
    for _ in range(6):
        when_due(clock, delivery)
        assert send_due() == Tally(unsent=1)
    why = ("SMTPRecipientsRefused", "451")
    assert says(delivery) == (FAILED, Reason.NOT_ACCEPTED, *why, 6, 0)
    assert (mailbox.tried, mailbox.taken) == ({"pending@example.com": 6}, [])


def test_550_to_one_of_three(serve, clock):
    """550 to RCPT is final and for one recipient only; the others go out over the same session."""
    deliveries = [queued(UserFactory.create(username=name)) for name in ("one", "two", "three")]
    mailbox = Answers(two="550 5.1.1 no such user")
    serve(mailbox)
    assert send_due() == Tally(sent=2, unsent=1)
    one, two, three = map(says, deliveries)
    assert one == three == went_out(1)
    assert two == (FAILED, Reason.REFUSED, "SMTPRecipientsRefused", "550", 1, 0)
    assert mailbox.took() == {"one@example.com": 1, "three@example.com": 1}
    clock.move(days=1)
    assert send_due() == Tally()


# Servers that hang up


class DropsAtRecipient(Mailbox):
    """Hangs up at RCPT, ``times`` times."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    async def at_recipient(self, server, address):
        if self.tried[address] <= self.times:
            server.transport.close()
            await for_ever()
        return "250 OK"


def test_drops_at_the_recipient(serve, clock, delivery):
    """A session that ends before the body is not ambiguous, any number of times."""
    mailbox = DropsAtRecipient(3)
    serve(mailbox)
    for attempt in (1, 2, 3):
        assert send_due() == Tally(unsent=1)
        why = ("SMTPServerDisconnected", "")
        assert says(delivery) == (QUEUED, Reason.NOT_ACCEPTED, *why, attempt, 0)
        when_due(clock, delivery)
    assert send_due() == Tally(sent=1)
    assert says(delivery) == went_out(4)
    assert mailbox.took() == {"pending@example.com": 1}


class DropsAfterTheBody(Mailbox):
    """Accepts the message and hangs up before its reply, ``times`` times."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    async def at_body(self, server, recipient, message, peer):
        answer = await super().at_body(server, recipient, message, peer)
        if len(self.taken) <= self.times:
            server.transport.close()
            await for_ever()
        return answer


def test_drops_after_the_final_dot_once(serve, clock, delivery):
    """If the server hangs up after the final dot, a second, identical copy is sent at most."""
    mailbox = DropsAfterTheBody(1)
    serve(mailbox)
    assert send_due() == Tally(unsent=1)
    why = ("SMTPServerDisconnected", "")
    assert says(delivery) == (QUEUED, Reason.DOUBTFUL, *why, 1, 1)
    when_due(clock, delivery)
    assert send_due() == Tally(sent=1)
    assert says(delivery) == went_out(2, doubts=1)
    assert mailbox.took() == {"pending@example.com": 2}
    mailbox.assert_copies_are_identical()


def test_drops_after_the_final_dot_always(serve, clock, delivery):
    """After one ambiguous repeat the state is unknown, and nothing more is sent."""
    mailbox = DropsAfterTheBody(99)
    serve(mailbox)
    for _ in range(2):
        assert send_due() == Tally(unsent=1)
        when_due(clock, delivery)
    why = ("SMTPServerDisconnected", "")
    assert says(delivery) == (DeliveryState.UNKNOWN, Reason.DOUBTFUL, *why, 2, 1)
    clock.move(days=1)
    assert send_due() == Tally()
    assert mailbox.took() == {"pending@example.com": 2}
    mailbox.assert_copies_are_identical()


class BreaksMidBatch(Mailbox):
    """Takes five messages in a session and hangs up at the sixth."""

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if self.peers.count(session.peer) == 5:
            server.transport.close()
            await for_ever()
        envelope.mail_from = address
        return "250 OK"


def test_breaks_mid_batch(serve, clock):
    """If a session breaks before a body, a new one is opened, and no message loses an attempt."""
    deliveries = [queued(UserFactory.create()) for _ in range(13)]
    mailbox = BreaksMidBatch()
    serve(mailbox)
    assert send_due() == Tally(sent=13)
    assert [says(delivery) for delivery in deliveries] == [went_out(1)] * 13
    assert sorted(mailbox.took().values()) == [1] * 13
    assert list(Counter(mailbox.peers).values()) == [5, 5, 3]


# Servers that hang


class DripsAtRecipient(Mailbox):
    """Replies to RCPT one byte every half second, the first time."""

    async def at_recipient(self, server, address):
        if self.tried[address] == 1:
            await drip(server)
        return "250 OK"


def test_drips_at_the_recipient(serve, clock, delivery):
    """A slow reply before the body is cut off at the deadline and is not ambiguous."""
    mailbox = DripsAtRecipient()
    serve(mailbox)
    assert send_due() == Tally(unsent=1)
    why = ("DeadlineExceeded", "")
    assert says(delivery) == (QUEUED, Reason.NOT_ACCEPTED, *why, 1, 0)
    when_due(clock, delivery)
    assert send_due() == Tally(sent=1)
    assert says(delivery) == went_out(2)
    assert mailbox.took() == {"pending@example.com": 1}


class DripsAfterTheBody(Mailbox):
    """Accepts the message and replies one byte every half second, the first time."""

    async def at_body(self, server, recipient, message, peer):
        answer = await super().at_body(server, recipient, message, peer)
        if len(self.taken) == 1:
            await drip(server)
        return answer


class HangsAfterTheBody(Mailbox):
    """Accepts the message and never replies, the first time."""

    async def at_body(self, server, recipient, message, peer):
        answer = await super().at_body(server, recipient, message, peer)
        if len(self.taken) == 1:
            await for_ever()
        return answer


@pytest.mark.parametrize("kind", [DripsAfterTheBody, HangsAfterTheBody])
def test_hangs_after_acceptance(serve, clock, delivery, kind):
    """A hang after the body is cut off at the deadline and is ambiguous: one identical copy."""
    mailbox = kind()
    serve(mailbox)
    assert send_due() == Tally(unsent=1)
    assert says(delivery) == (QUEUED, Reason.DOUBTFUL, "DeadlineExceeded", "", 1, 1)
    when_due(clock, delivery)
    assert send_due() == Tally(sent=1)
    assert says(delivery) == went_out(2, doubts=1)
    assert mailbox.took() == {"pending@example.com": 2}
    mailbox.assert_copies_are_identical()


def test_the_others_of_a_batch_that_hung(serve, clock):
    """The message after one that hung is sent over a new session, in the same round."""
    first, second = (queued(UserFactory.create()) for _ in range(2))
    mailbox = HangsAfterTheBody()
    serve(mailbox)
    assert send_due() == Tally(sent=1, unsent=1)
    assert says(first)[:2] == (QUEUED, Reason.DOUBTFUL)
    assert says(second) == went_out(1)
    assert len(set(mailbox.peers)) == 2


@pytest.fixture
def silent(settings, change):
    """A function that starts a server which replies byte by byte, or not at all."""
    change(SEND_DEADLINE=4)
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()
    met: list[socket.socket] = []

    def run(drips):
        listener.settimeout(0.1)
        while not over.wait(0.1 if not met else 0.5):
            with suppress(TimeoutError):
                met.append(listener.accept()[0])
            for session in met if drips else []:
                # An account that disowned its address is not written to.
                with suppress(OSError):
                    session.send(b"2")

    threads = []

    def start(*, drips):
        threads.append(threading.Thread(target=run, args=[drips]))
        threads[0].start()
        through(settings, SMTP, host="127.0.0.1", port=listener.getsockname()[1])

    yield start
    over.set()
    for thread in threads:
        thread.join()
    for session in met:
        session.close()
    listener.close()


@pytest.mark.parametrize("drips", [False, True])
def test_hangs_before_its_greeting(serve, silent, clock, delivery, drips):
    """A server that never completes its greeting has accepted nothing."""
    silent(drips=drips)
    assert send_due() == Tally(unsent=1)
    assert says(delivery) == (QUEUED, Reason.NOT_ACCEPTED, "DeadlineExceeded", "", 1, 0)
    mailbox = Mailbox()
    serve(mailbox)
    when_due(clock, delivery)
    assert send_due() == Tally(sent=1)
    assert mailbox.took() == {"pending@example.com": 1}


# Servers that do not like the settings


class Doorkeeper:
    """Accepts one password, which a test may change."""

    def __init__(self, password):
        self.password = password
        self.asked = 0

    def __call__(self, server, session, envelope, mechanism, auth_data):
        self.asked += 1
        return AuthResult(success=auth_data.password == self.password, handled=False)


#: The warning is about a server on the internet; this one is for one test on one machine.
LOCKED = {"auth_required": True, "auth_require_tls": False}
no_tls = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


@no_tls
def test_refuses_authentication(serve, settings, clock):
    """After 535 the whole queue is paused, no attempt is used up, and the rows have the reason."""
    deliveries = [queued(UserFactory.create()) for _ in range(3)]
    mailbox, doorkeeper = Mailbox(), Doorkeeper(b"right")
    server = serve(mailbox, authenticator=doorkeeper, **LOCKED)
    account = {"host": "127.0.0.1", "port": server.port, "username": "site"}
    through(settings, SMTP, **account, password="wrong")
    assert send_due() == Tally(unsent=1, paused=True)
    asked = doorkeeper.asked
    why = ("SMTPAuthenticationError", "535")
    assert says(deliveries[0]) == (QUEUED, Reason.CONFIGURATION, *why, 0, 0)
    assert pause.paused_by() == deliveries[0]
    assert send_due() == Tally(paused=True)
    assert (doorkeeper.asked, mailbox.taken) == (asked, [])
    through(settings, SMTP, **account, password="right")
    clock.move(minutes=1)
    assert send_due() == Tally(sent=3)
    assert list(map(says, deliveries)) == [went_out(1)] * 3
    assert sorted(mailbox.took().values()) == [1] * 3


# Couriers in separate processes


EXPECTED = {f"player{n}@example.com" for n in range(60)}
COURIERS = 3


def drain_with(world, **more):
    """Start couriers that retry after a hundredth of the usual wait."""
    world.start_couriers(COURIERS, FAULTS_SCHEDULE_SCALE="0.01", **more)


@on_postgres
@pytest.mark.parametrize("kind", [Greylist, BreaksMidBatch])
def test_over_processes(world, kind):
    """Several couriers send each message exactly once through a server that greylists or breaks."""
    mailbox = kind()
    world.serve(mailbox)
    world.ask(60)
    drain_with(world)

    def is_done():
        return set(mailbox.took()) >= EXPECTED and not world.unfinished()

    wait_until(is_done, lambda: f"{world.rows()}\n{world.log_text()}")
    assert mailbox.took() == dict.fromkeys(EXPECTED, 1)
    rows = world.rows()
    assert {row["state"] for row in rows} == {"sent"}
    if kind is Greylist:
        assert {row["attempts"] for row in rows} == {2}


@no_tls
@on_postgres
def test_authentication_over_processes(world):
    """Couriers whose log-in is refused pause together, and send everything once it works."""
    mailbox, doorkeeper = Mailbox(), Doorkeeper(b"changed")
    world.serve(mailbox, authenticator=doorkeeper, **LOCKED)
    world.ask(60)
    drain_with(world, FAULTS_SMTP_USER="site", FAULTS_SMTP_PASSWORD="right")

    def was_refused():
        return any(row["reason"] == "configuration" for row in world.rows())

    wait_until(was_refused, world.log_text)
    wait_until(lambda: doorkeeper.asked > 2 * COURIERS, world.log_text)
    assert mailbox.taken == []
    rows = world.rows()
    assert all(row["attempts"] <= 1 for row in rows)
    assert {row["error_code"] for row in rows if row["reason"] == "configuration"} == {"535"}
    doorkeeper.password = b"right"

    def is_done():
        return set(mailbox.took()) >= EXPECTED and not world.unfinished()

    wait_until(is_done, lambda: f"{world.rows()}\n{world.log_text()}")
    assert mailbox.took() == dict.fromkeys(EXPECTED, 1)
    assert {row["attempts"] for row in world.rows()} == {1}

"""The result of a send depends on the observed progress, not on the exception's class."""

import pickle
import smtplib
import socket
from typing import Any, ClassVar

import pytest
import requests
from anymail.backends.test import EmailBackend as AnymailBackend
from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused
from anymail.message import AnymailRecipientStatus
from anymail.signals import post_send
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.locmem import EmailBackend as LocmemBackend
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend
from django.db import OperationalError
from django.utils.module_loading import import_string
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from resend_confirmation import engine
from resend_confirmation.email_backend import Connection
from resend_confirmation.email_backend.observers import Transcript, observe
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import DeliveryState, Reason

from .factories import UserFactory, queued
from .mailers import SMTP, through
from .smtp_server import Talker

pytestmark = [pytest.mark.django, pytest.mark.django_db]

S = DeliveryState


def drain_to_the_end():
    """Make all scheduled attempts without waiting."""
    for _ in range(8):
        engine.drain()
        Delivery.objects.filter(state="queued").update(not_before=Delivery.objects.get().asked_at)


def ending():
    found = Delivery.objects.get()
    return found.state, found.reason, found.doubts


@pytest.fixture
def talker(settings):
    """Return a function that starts a mail server with given replies and configures it."""
    made = []

    def make(backend=SMTP, **said):
        server = Talker(**said)
        made.append(server)
        through(settings, backend, host="127.0.0.1", port=server.port, timeout=10)
        return server

    yield make
    for server in made:
        server.stop()


# A site's backends


class Archiving(SMTPBackend):
    """Sends, then fails to archive."""

    error: BaseException | None = None

    def send_messages(self, messages):
        super().send_messages(messages)
        if self.error:
            raise self.error


class Reconnecting(SMTPBackend):
    """Opens a separate session for each message."""

    def send_messages(self, messages):
        self.close()
        self.open()
        super().send_messages(messages)
        self.close()
        raise RuntimeError


class Closing(SMTPBackend):
    """Ends its session after each message."""

    def send_messages(self, messages):
        super().send_messages(messages)
        self.close()


class Forgetful(LocmemBackend):
    """Sends without a session that could be observed, then fails."""

    error: BaseException | None = None

    def send_messages(self, messages):
        super().send_messages(messages)
        if self.error:
            raise self.error


class Wrapping(BaseEmailBackend):
    """Sends through another backend, which it creates each time, then fails."""

    inner = SMTP
    error: BaseException | None = None

    def __init__(self, fail_silently=False, **options):
        super().__init__()
        self.options = options

    def send_messages(self, messages):
        sent = import_string(self.inner)(**self.options).send_messages(messages)
        if self.error:
            raise self.error
        return sent


class Queueing(BaseEmailBackend):
    """Stores messages for another process, as packages with a mail queue do."""

    stored: ClassVar[list[bytes]] = []

    def send_messages(self, messages):
        self.stored.extend(map(pickle.dumps, messages))
        return len(messages)


class Filtering(SMTPBackend):
    """Drops every message on purpose."""

    def send_messages(self, messages):
        return super().send_messages([])


def never_connected(text):
    """Return the exception that requests raises if the connection is refused."""
    return requests.ConnectionError(
        MaxRetryError(HTTPConnectionPool("x"), "/", NewConnectionError(HTTPConnection("x"), text))
    )


ERRORS = [
    None,
    RuntimeError("the archive is down"),
    ValueError("no such folder"),
    TimeoutError("the archive"),
    requests.ConnectionError("the archive"),
    ImproperlyConfigured("no archive"),
    OperationalError("no table"),
    smtplib.SMTPServerDisconnected("the archive"),
    smtplib.SMTPAuthenticationError(535, b"the archive"),
    smtplib.SMTPRecipientsRefused({"archive@site.example": (550, b"no")}),
    AnymailRecipientsRefused(),
    ConnectionRefusedError("the archive"),
    socket.gaierror("the archive"),
    never_connected("the archive"),
    smtplib.SMTPConnectError(421, b"the archive"),
    SystemExit(),
]
NAMES = [type(each).__name__ for each in ERRORS]


@pytest.mark.parametrize("error", ERRORS, ids=NAMES)
def test_smtp_has_taken_it(pending, talker, monkeypatch, error):
    """A message that the server accepted (250) is sent, even if an error follows."""
    server = talker("tests.test_observers.Archiving")
    monkeypatch.setattr(Archiving, "error", error)
    queued(pending)
    drain_to_the_end()
    assert (len(server.bodies), ending()) == (1, (S.SENT, Reason.NONE, 0))


def test_a_session_that_the_backend_opens(pending, talker):
    """Sessions that a backend opens itself are observed too."""
    server = talker("tests.test_observers.Reconnecting")
    queued(pending)
    drain_to_the_end()
    assert (len(server.bodies), ending()) == (1, (S.SENT, Reason.NONE, 0))


@pytest.mark.parametrize("error", ERRORS[1:], ids=NAMES[1:])
def test_a_provider_has_taken_it(pending, settings, error):
    """A message that has a provider's id is sent, even if receivers of post_send raise."""
    through(settings, "anymail.backends.test.EmailBackend")

    def fail(sender, **given):
        raise error

    post_send.connect(fail)
    try:
        queued(pending)
        drain_to_the_end()
    finally:
        post_send.disconnect(fail)
    assert (len(mail.outbox), ending()) == (1, (S.SENT, Reason.NONE, 0))
    assert Delivery.objects.get().provider_id == "0"


AMBIGUOUS = [*ERRORS[1:9], *ERRORS[11:]]


@pytest.mark.parametrize("error", AMBIGUOUS, ids=[type(each).__name__ for each in AMBIGUOUS])
def test_nothing_is_known(pending, settings, monkeypatch, error):
    """An exception in a backend that cannot be observed is ambiguous."""
    through(settings, "tests.test_observers.Forgetful")
    monkeypatch.setattr(Forgetful, "error", error)
    queued(pending)
    drain_to_the_end()
    assert (len(mail.outbox), ending()) == (2, (S.UNKNOWN, Reason.DOUBTFUL, 1))


@pytest.mark.parametrize("error", AMBIGUOUS, ids=[type(each).__name__ for each in AMBIGUOUS])
def test_a_wrapped_backend_has_sent(pending, talker, monkeypatch, error):
    """If a backend sends through another one and then fails, the result is ambiguous."""
    server = talker("tests.test_observers.Wrapping")
    monkeypatch.setattr(Wrapping, "error", error)
    queued(pending)
    drain_to_the_end()
    assert (len(server.bodies), ending()) == (2, (S.UNKNOWN, Reason.DOUBTFUL, 1))


def test_a_wrapped_backend_without_a_server(pending, talker):
    """If the inner backend cannot connect, the result is not ambiguous."""
    talker("tests.test_observers.Wrapping").stop()
    queued(pending)
    drain_to_the_end()
    assert ending() == (S.FAILED, Reason.NOT_ACCEPTED, 0)


@pytest.mark.parametrize("error", ERRORS[1:], ids=NAMES[1:])
def test_a_wrapped_provider_has_taken_it(pending, settings, monkeypatch, error):
    """The status that an inner provider's backend set on the message counts."""
    through(settings, "tests.test_observers.Wrapping")
    monkeypatch.setattr(Wrapping, "inner", "anymail.backends.test.EmailBackend")
    monkeypatch.setattr(Wrapping, "error", error)
    queued(pending)
    drain_to_the_end()
    assert (len(mail.outbox), ending()) == (1, (S.SENT, Reason.NONE, 0))


def test_a_backend_that_queues(pending, settings, monkeypatch):
    """A message that a backend stores counts as sent, and has its Message-ID when it is."""
    through(settings, "tests.test_observers.Queueing")
    monkeypatch.setattr(Queueing, "stored", [])
    delivery = queued(pending)
    drain_to_the_end()
    assert ending() == (S.SENT, Reason.NONE, 0)
    (stored,) = Queueing.stored
    LocmemBackend().send_messages([pickle.loads(stored)])
    delivery.refresh_from_db()
    (letter,) = mail.outbox
    assert letter.message()["Message-ID"] == delivery.message_id
    assert letter.to == [pending.email]
    assert letter.message().get_content_type() == "multipart/alternative"


def test_filtered(pending, talker):
    """A message that never reached the server was not accepted."""
    server = talker("tests.test_observers.Filtering")
    queued(pending)
    engine.drain()
    assert (server.bodies, ending()) == ([], (S.QUEUED, Reason.NOT_ACCEPTED, 0))


# The server's replies and their timing


@pytest.mark.parametrize(
    ("said", "state", "copies"),
    [
        ({"mail": None}, (S.FAILED, Reason.NOT_ACCEPTED, 0), 0),
        ({"rcpt": None}, (S.FAILED, Reason.NOT_ACCEPTED, 0), 0),
        ({"data": None}, (S.FAILED, Reason.NOT_ACCEPTED, 0), 0),
        ({"data": "554 no"}, (S.FAILED, Reason.REFUSED, 0), 0),
        ({"body": None}, (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
        ({"body": "mumble"}, (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
        ({"body": "25"}, (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
        ({"body": "452 full"}, (S.FAILED, Reason.NOT_ACCEPTED, 0), 0),
        ({"body": "554 spam"}, (S.FAILED, Reason.REFUSED, 0), 0),
        ({"rset": None, "rcpt": "550 nobody"}, (S.FAILED, Reason.REFUSED, 0), 0),
        ({"quit": None}, (S.SENT, Reason.NONE, 0), 1),
    ],
    ids=str,
)
def test_session_that_ends_after_the_body_is_ambiguous(pending, talker, said, state, copies):
    """Only a session that ends between the body and its reply is ambiguous."""
    server = talker(**said)
    queued(pending)
    drain_to_the_end()
    assert (ending(), len(server.bodies)) == (state, copies)


@pytest.mark.parametrize(
    ("said", "state", "copies"),
    [
        ({"rset": "", "rcpt": "550 nobody"}, (S.FAILED, Reason.REFUSED, 0), 0),
        ({"rset": "", "mail": "550 not you"}, (S.QUEUED, Reason.CONFIGURATION, 0), 0),
        ({"rset": "", "body": "554 spam"}, (S.FAILED, Reason.REFUSED, 0), 0),
        ({"rcpt": ""}, (S.QUEUED, Reason.NOT_ACCEPTED, 0), 0),
        ({"body": ""}, (S.QUEUED, Reason.DOUBTFUL, 1), 1),
        ({"quit": ""}, (S.SENT, Reason.NONE, 0), 1),
    ],
    ids=str,
)
def test_a_session_that_hangs(pending, talker, change, said, state, copies):
    """At the deadline the last reply decides, even if the session cannot be closed."""
    change(SEND_DEADLINE=1)
    server = talker(**said)
    queued(pending)
    engine.drain()
    assert (ending(), len(server.bodies)) == (state, copies)


def test_a_backend_that_hangs_after_it_sent(pending, talker, change):
    """If closing the session hangs after the message was accepted, it is sent."""
    change(SEND_DEADLINE=1)
    server = talker("tests.test_observers.Closing", quit="")
    queued(pending)
    engine.drain()
    assert (len(server.bodies), ending()) == (1, (S.SENT, Reason.NONE, 0))


def test_no_failure_after_an_ambiguous_attempt(pending, talker):
    """If the repeat of an ambiguous message is refused, its state is unknown, not failed."""
    server = talker(body=None)
    queued(pending)
    engine.drain()
    server.said["rcpt"] = "550 nobody"
    drain_to_the_end()
    assert (len(server.bodies), ending()) == (1, (S.UNKNOWN, Reason.DOUBTFUL, 1))


# Replies of providers


class Answering(AnymailBackend):  # type: ignore[misc]
    """Raises an error at the stage that a test sets."""

    where: str = ""
    error: Exception = RuntimeError()

    def _raise_at(self, where):
        if self.where == where:
            raise self.error

    def build_message_payload(self, message, defaults):
        self._raise_at("payload")
        return super().build_message_payload(message, defaults)

    def post_to_esp(self, payload, message):
        answer = super().post_to_esp(payload, message)
        self._raise_at("request")
        return answer

    def parse_recipient_status(self, response, payload, message):
        self._raise_at("answer")
        return super().parse_recipient_status(response, payload, message)


@pytest.mark.parametrize(
    ("where", "error", "state", "copies"),
    [
        ("payload", KeyError("x"), (S.FAILED, Reason.NOT_ACCEPTED, 0), 0),
        ("payload", ValueError("x"), (S.FAILED, Reason.UNSUPPORTED, 0), 0),
        ("request", RuntimeError(), (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
        ("request", AnymailAPIError("x"), (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
        ("request", ConnectionRefusedError(), (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
        ("request", never_connected("x"), (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
        ("request", smtplib.SMTPServerDisconnected(), (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
        ("answer", KeyError("x"), (S.SENT, Reason.NONE, 0), 1),
        ("answer", AnymailAPIError("x"), (S.UNKNOWN, Reason.DOUBTFUL, 1), 2),
    ],
    ids=str,
)
def test_provider_failure_during_the_request_is_ambiguous(
    pending, settings, monkeypatch, where, error, state, copies
):
    """An exception before the request or after an accepting response is not ambiguous."""
    through(settings, "tests.test_observers.Answering")
    monkeypatch.setattr(Answering, "where", where)
    monkeypatch.setattr(Answering, "error", error)
    queued(pending)
    drain_to_the_end()
    assert (ending(), len(mail.outbox)) == (state, copies)


def test_a_provider_that_refused(pending, settings, monkeypatch):
    """A recipient refused by the provider is refused, even if receivers of post_send raise."""
    through(settings, "tests.test_observers.Answering")
    refused = AnymailRecipientStatus(message_id="x", status="rejected")
    monkeypatch.setattr(
        Answering,
        "parse_recipient_status",
        lambda self, response, payload, message: {message.to[0]: refused},
    )

    def fail(sender, **given):
        raise RuntimeError

    post_send.connect(fail)
    try:
        queued(pending)
        drain_to_the_end()
    finally:
        post_send.disconnect(fail)
    assert (ending(), len(mail.outbox)) == ((S.FAILED, Reason.REFUSED, 0), 1)


# Sessions that end after a number of messages


@pytest.mark.parametrize("most", [1, 10])
def test_a_session_for_few_messages(talker, most):
    """If the server ends sessions after some messages, new ones are opened without a failure."""
    server = talker()
    server.most = most
    for _ in range(2 * most + 3):
        queued(UserFactory.create())
    engine.drain()
    assert len(server.bodies) == 2 * most + 3
    assert set(Delivery.objects.values_list("state", "attempts")) == {(S.SENT, 1)}


def test_put_off_on_a_new_session(talker):
    """A message that is also deferred in a new session is retried later."""
    server = talker()
    for _ in range(2):
        queued(UserFactory.create())
    engine.drain(1)
    server.said["mail"] = "451 busy"
    engine.drain()
    assert (server.sessions, len(server.bodies)) == (2, 1)
    assert Delivery.objects.get(state=S.QUEUED).attempts == 1


# Other sessions, and messages that were given up


class Foreign(SMTPBackend):
    """Has a session of another library than smtplib, and fails after the send."""

    sent: ClassVar[list[Any]] = []
    connection: Any = None

    def open(self):
        self.connection = object()
        return True

    def close(self):
        self.connection = None

    def send_messages(self, messages):
        self.sent.extend(messages)
        raise TimeoutError


def test_a_session_of_another_library(pending, settings, monkeypatch):
    """If the session cannot be observed, the result is ambiguous."""
    monkeypatch.setattr(Foreign, "sent", [])
    through(settings, "tests.test_observers.Foreign", host="127.0.0.1")
    queued(pending)
    drain_to_the_end()
    assert (len(Foreign.sent), ending()) == (2, (S.UNKNOWN, Reason.DOUBTFUL, 1))


class Reopening(SMTPBackend):
    """Opens another session after an error, and raises that error."""

    connection: Any

    def send_messages(self, messages):
        try:
            return super().send_messages(messages)
        except OSError:
            self.connection.close()
            self.connection = None
            self.open()
            self.connection.noop()
            raise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"mail ", (S.QUEUED, Reason.NOT_ACCEPTED, 0)),
        (b"Message-ID:", (S.QUEUED, Reason.DOUBTFUL, 1)),
    ],
)
def test_a_session_that_breaks_while_it_is_written_to(pending, talker, monkeypatch, text, expected):
    """Only an error during the body is ambiguous; replies in the next session do not count."""
    talker("tests.test_observers.Reopening")
    send = smtplib.SMTP.send

    def break_off(session, data):
        if text in (data if isinstance(data, bytes) else data.encode()):
            raise BrokenPipeError
        return send(session, data)

    monkeypatch.setattr(smtplib.SMTP, "send", break_off)
    queued(pending)
    engine.drain()
    assert ending() == expected


def test_a_reply_after_the_end():
    """A reply after the message was given up is ignored, since it may be incomplete."""
    transcript = Transcript()
    transcript.note_sending("mail FROM:<a@b.example>")
    transcript.is_over = True
    transcript.note_reply(550)
    assert transcript.verdict() is None


def test_a_request_after_the_end(settings):
    """After a message was given up, no request is made to the provider."""
    backend = AnymailBackend()
    observer = observe(backend)
    observer.end()
    with pytest.raises(RuntimeError, match="given up"):
        backend.send_messages([mail.EmailMessage("s", "b", "a@b.example", ["c@d.example"])])
    assert mail.outbox == []


def test_a_backend_without_a_time_out(talker, settings):
    """A backend without a timeout gets twice the deadline, so a thread cannot block forever."""
    server = talker()
    through(settings, SMTP, host="127.0.0.1", port=server.port, timeout=None)
    with Connection() as connection:
        assert connection.open() is None
        assert connection._backend.timeout == 60

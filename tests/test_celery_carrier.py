"""The Celery carrier: it publishes one task for many wakes, and retries until it succeeds."""

import logging
import threading

import pytest
from celery import Celery, _state
from django.core import mail

from resend_confirmation.carriers import celery
from resend_confirmation.carriers.celery import CeleryCarrier

from .factories import PendingFactory, queued

pytestmark = pytest.mark.database

#: Time limit in seconds, with a wide margin for busy machines.
DEADLINE = 60


@pytest.fixture
def apps(monkeypatch):
    """Forget all Celery applications, as in a process that does not load the site's."""
    monkeypatch.setattr(_state, "_apps", set())
    monkeypatch.setattr(_state, "default_app", None)
    monkeypatch.setattr(_state._tls, "current_app", None)


@pytest.fixture
def carrier(monkeypatch, apps, caplog):
    """A carrier that retries almost at once."""
    monkeypatch.setattr(celery, "RETRY_SECONDS", 0.01)
    caplog.set_level(logging.WARNING, "resend_confirmation")
    made = CeleryCarrier()
    yield made
    made._end()


class Broker:
    """A broker whose first publications behave as the test prescribes."""

    def __init__(self, *first):
        self.first = list(first)
        self.published = threading.Event()

    def publish(self, queue):
        if self.first:
            self.first.pop(0)()
        else:
            self.published.set()


def refuse():
    """Fail as if the broker were down."""
    raise ConnectionRefusedError


def test_tried_again(carrier, monkeypatch, caplog):
    """The carrier retries until the broker is available; failure and recovery are logged once."""
    Celery("site", broker="memory://")
    broker = Broker(refuse, refuse, refuse)
    monkeypatch.setattr(celery, "publish", broker.publish)
    carrier.wake()
    thread = carrier._thread
    assert broker.published.wait(DEADLINE)
    thread.join(DEADLINE)
    assert caplog.messages == [
        "The broker could not be notified (ConnectionRefusedError); retrying",
        "The broker can be notified again",
    ]


@pytest.mark.parametrize("late", [refuse, lambda: None])
def test_hangs(carrier, monkeypatch, caplog, late):
    """A publication that hangs is abandoned at a later wake, and its result is ignored."""
    Celery("site", broker="memory://")
    end = threading.Event()
    hanging = threading.Event()

    def hang():
        hanging.set()
        end.wait(DEADLINE)
        late()

    broker = Broker(hang)
    monkeypatch.setattr(celery, "publish", broker.publish)
    carrier.wake()
    assert hanging.wait(DEADLINE)
    first = carrier._thread
    carrier.wake()
    assert carrier._thread is first
    monkeypatch.setattr(celery, "ABANDON_SECONDS", 0.0)
    carrier.wake()
    assert broker.published.wait(DEADLINE)
    carrier._end()
    end.set()
    first.join(DEADLINE)
    assert caplog.messages == [
        "The broker could not be notified (no answer); retrying",
        "The broker can be notified again",
    ]


def test_ends_late(carrier, monkeypatch):
    """A publication that was given up leaves a later wake to the one that replaced it."""
    Celery("site", broker="memory://")
    begun, ends, threads = threading.Semaphore(0), [threading.Event(), threading.Event()], []

    def publish(queue):
        threads.append(threading.current_thread())
        end = ends[min(len(threads), 2) - 1]
        begun.release()
        assert end.wait(DEADLINE)

    monkeypatch.setattr(celery, "publish", publish)
    for seconds in (0.0, 0.0, DEADLINE):
        monkeypatch.setattr(celery, "ABANDON_SECONDS", seconds)
        carrier.wake()
        if not seconds:
            assert begun.acquire(timeout=DEADLINE)
    first, second = threads
    for thread, end in zip((first, second), ends, strict=True):
        end.set()
        thread.join(DEADLINE)
    assert threads == [first, second, second]


def test_w035_no_broker(carrier, monkeypatch, caplog):
    """W035: no application with a broker is loaded; this is also logged as an error, once."""
    (message,) = carrier.check()
    assert message.id == "resend_confirmation.W035"
    monkeypatch.setattr(celery, "publish", Broker().publish)
    for _ in range(2):
        carrier.wake()
        carrier._end()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("ERROR", message.msg)]


def test_applications(carrier):
    """The site's application is found from other threads too."""
    # Without a site's application Celery creates a default one, which other threads keep.
    assert celery.application().main == "default"
    site = Celery("site", broker="memory://")
    assert carrier.check() == []
    found = []
    thread = threading.Thread(target=lambda: found.append(celery.application()))
    thread.start()
    thread.join()
    assert found == [site]


@pytest.mark.parametrize(("options", "name"), [({}, "celery"), ({"queue": "mail"}, "mail")])
def test_queue(apps, options, name):
    """The task is published to the option ``queue``, by default to Celery's default queue."""
    site = Celery("site", broker="memory://")
    carrier = CeleryCarrier(**options)
    carrier.wake()
    carrier._end()
    with site.connection_for_read() as connection, connection.SimpleQueue(name) as queue:
        message = queue.get(timeout=DEADLINE)
        message.ack()
    assert message.headers["task"] == "resend_confirmation.drain"


def test_stopped_while_the_broker_is_down(carrier, monkeypatch):
    """A process that exits does not wait for a broker that is down."""
    Celery("site", broker="memory://")
    monkeypatch.setattr(celery, "RETRY_SECONDS", DEADLINE)
    refused = threading.Event()

    def refuse_and_tell(queue):
        refused.set()
        raise ConnectionRefusedError

    monkeypatch.setattr(celery, "publish", refuse_and_tell)
    carrier.wake()
    assert refused.wait(DEADLINE)
    thread = carrier._thread
    carrier._stopping.set()
    thread.join(DEADLINE)
    assert not thread.is_alive()


@pytest.mark.django_db(transaction=True)
def test_the_task():
    """The task sends all due messages."""
    for _ in range(2):
        queued(PendingFactory.create())
    celery.drain()
    assert len(mail.outbox) == 2

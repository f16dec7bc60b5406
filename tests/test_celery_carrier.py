"""The carrier over Celery: one publication for many wakes, tried again until one succeeds."""

import logging
import threading

import pytest
from celery import Celery, _state
from django.core import mail

from resend_confirmation.carriers import celery
from resend_confirmation.carriers.celery import CeleryCarrier

from .factories import PendingFactory, queued

pytestmark = pytest.mark.database

#: Seconds for anything to happen, on a machine that is busy with something else.
DEADLINE = 60


@pytest.fixture
def apps(monkeypatch):
    """Celery's own application alone, as in a process that loads none of the site's."""
    monkeypatch.setattr(_state, "_apps", set())
    monkeypatch.setattr(_state, "default_app", None)
    monkeypatch.setattr(_state._tls, "current_app", None)


@pytest.fixture
def carrier(monkeypatch, apps, caplog):
    """A carrier that rests for a moment only."""
    monkeypatch.setattr(celery, "RETRY_SECONDS", 0.01)
    caplog.set_level(logging.WARNING, "resend_confirmation")
    made = CeleryCarrier()
    yield made
    made._end()


class Broker:
    """Publications, the first of which go as a test says."""

    def __init__(self, *first):
        self.first = list(first)
        self.published = threading.Event()

    def publish(self, queue):
        if self.first:
            self.first.pop(0)()
        else:
            self.published.set()


def refuse():
    """The result of publishing while the broker is down."""
    raise ConnectionRefusedError


def test_tried_again(carrier, monkeypatch, caplog):
    """Publications fail until the broker is back: one line then, and one now; no wake is lost."""
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
    """A publication that does not end is given up at the next wake after its time, for good."""
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


def test_w035_no_broker(carrier, monkeypatch, caplog):
    """W035: no application with a broker is loaded, which the log says once as an error, too."""
    (message,) = carrier.check()
    assert message.id == "resend_confirmation.W035"
    monkeypatch.setattr(celery, "publish", Broker().publish)
    for _ in range(2):
        carrier.wake()
        carrier._end()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("ERROR", message.msg)]


def test_applications(carrier):
    """The site's application is found from every thread, though Celery knows it in its own."""
    # It is made once a task is looked up, and is the application of all other threads.
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
    """The option ``queue`` names the queue that the task is published to, or else Celery does."""
    site = Celery("site", broker="memory://")
    carrier = CeleryCarrier(**options)
    carrier.wake()
    carrier._end()
    with site.connection_for_read() as connection, connection.SimpleQueue(name) as queue:
        message = queue.get(timeout=DEADLINE)
        message.ack()
    assert message.headers["task"] == "resend_confirmation.drain"


def test_stopped_while_the_broker_is_away(carrier, monkeypatch):
    """A process that ends does not wait for a broker that is away."""
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
    """The task sends everything that is due."""
    for _ in range(2):
        queued(PendingFactory.create())
    celery.drain()
    assert len(mail.outbox) == 2

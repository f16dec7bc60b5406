"""Celery over Redis and RabbitMQ and django.tasks on a database, each with its real worker."""

import asyncio
import os
import socket
import threading
import uuid
from urllib.parse import urlsplit

import pytest

from tests.conftest import unavailable

from .conftest import DATABASES, DEADLINE, Sink, World, wait_until
from .gate import Gate

pytestmark = pytest.mark.faults

MESSAGES = 10
BROKERS = {
    "redis": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
    "rabbitmq": os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//"),
}


@pytest.fixture
def carried(tmp_path):
    """A world on PostgreSQL."""
    url, drop = DATABASES["postgres"](tmp_path)
    world = World(url, tmp_path)
    world.serve()
    try:
        yield world
    finally:
        world.stop()
        drop()


@pytest.fixture(
    params=[
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
    ]
)
def broker(request):
    """A gate to the broker, open, and the broker's address through it."""
    parts = urlsplit(BROKERS[request.param])
    target = (parts.hostname, parts.port)
    try:
        socket.create_connection(target, timeout=5).close()
    except OSError as error:
        unavailable(f"no {request.param} server: {error}")
    gate = Gate(target)
    gate.open()
    user = parts.netloc.rpartition("@")[0]
    netloc = f"{user}@127.0.0.1:{gate.port}" if user else f"127.0.0.1:{gate.port}"
    yield gate, parts._replace(netloc=netloc).geturl()
    gate.shut()


def start(world, *arguments, **more):
    """Start one process that keeps running."""
    world.spawn(*arguments, DJANGO_SETTINGS_MODULE="tests.faults.settings_carriers", **more)


def over(broker_url):
    """Return the environment of a site with Celery as its carrier."""
    return {
        "FAULTS_CARRIER": "celery",
        "FAULTS_BROKER": broker_url,
        "FAULTS_QUEUE": f"faults-{uuid.uuid4().hex}",
    }


def start_worker(world, *options, **more):
    """Start one Celery worker."""
    app = ("-m", "celery", "-A", "tests.faults.celery_app", "worker", "--loglevel", "WARNING")
    start(world, *app, *options, **more)


def sent_everything(world):
    """Return whether every account got its message."""
    return len(world.sink.by_recipient()) == MESSAGES and not world.unfinished()


def assert_each_got_one(world):
    """Assert that every account got exactly one message."""
    received = world.sink.by_recipient()
    assert sorted(received) == sorted(f"player{n}@example.com" for n in range(MESSAGES))
    assert {len(messages) for messages in received.values()} == {1}


@pytest.mark.postgres
def test_celery(carried, broker):
    """A wake-up is a task; an outage of the broker delays messages and loses none."""
    gate, url = broker
    more = over(url)
    gate.shut()
    start(carried, "-m", "tests.faults.carried_asker", str(MESSAGES), **more)
    # The requests are answered and committed although no worker could be notified.
    wait_until(lambda: "asked" in carried.log_text(), carried.log_text)
    assert {row["state"] for row in carried.rows()} == {"queued"}
    assert not carried.sink.messages
    gate.open()
    start_worker(carried, "--pool", "solo", **more)
    # The next request's wake carries what the lost ones left behind.
    carried.run(
        "-c",
        "from tests.faults import celery_app\n"
        "from resend_confirmation.carriers.celery import drain\n"
        "drain.apply_async()",
        DJANGO_SETTINGS_MODULE="tests.faults.settings_carriers",
        **more,
    )
    wait_until(lambda: sent_everything(carried), carried.log_text)
    assert_each_got_one(carried)


@pytest.mark.postgres
def test_celery_wakes_the_worker(carried, broker):
    """With the broker available, a request is processed without polling."""
    _, url = broker
    more = over(url)
    start(carried, "-m", "tests.faults.carried_asker", str(MESSAGES), **more)
    wait_until(lambda: "asked" in carried.log_text(), carried.log_text)
    start_worker(carried, "--pool", "solo", **more)
    wait_until(lambda: sent_everything(carried), carried.log_text)
    assert_each_got_one(carried)


@pytest.mark.postgres
def test_celery_silent_broker(carried, broker):
    """A broker that goes silent is logged once; when it is back, all is sent without a request."""
    gate, url = broker
    more = over(url)
    gate.freeze()
    start(carried, "-m", "tests.faults.carried_asker", str(MESSAGES), **more)
    wait_until(lambda: "could not be notified" in carried.log_text(), carried.log_text)
    gate.thaw()
    wait_until(lambda: "can be notified again" in carried.log_text(), carried.log_text)
    assert carried.log_text().count("could not be notified") == 1
    start_worker(carried, "--pool", "solo", **more)
    wait_until(lambda: sent_everything(carried), carried.log_text)
    assert_each_got_one(carried)


class HoldingSink(Sink):
    """Accepts one message for each release of ``may_go``."""

    def __init__(self):
        super().__init__()
        self.has_come, self.may_go = threading.Event(), threading.Semaphore(0)

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.has_come.set()
        await asyncio.to_thread(self.may_go.acquire, timeout=DEADLINE)
        return await super().handle_DATA(server, session, envelope)


@pytest.mark.postgres
@pytest.mark.parametrize("broker", [pytest.param("redis", marks=pytest.mark.redis)], indirect=True)
def test_celery_soft_time_limit(carried, broker):
    """The message under way when Celery's limit comes is sent and marked; then the task ends."""
    _, url = broker
    more = over(url) | {"FAULTS_SOFT_LIMIT": "2", "FAULTS_DEADLINE": str(DEADLINE)}
    carried.controller.stop()
    carried.sink = HoldingSink()
    carried.serve()
    start(carried, "-m", "tests.faults.carried_asker", "3", **more)
    wait_until(lambda: "asked" in carried.log_text(), carried.log_text)
    start_worker(carried, "--concurrency", "1", **more)
    wait_until(carried.sink.has_come.is_set, carried.log_text)
    wait_until(lambda: "Soft time limit" in carried.log_text(), carried.log_text)
    assert "sending" in [row["state"] for row in carried.rows()]
    carried.sink.may_go.release()
    wait_until(lambda: "SoftTimeLimitExceeded" in carried.log_text(), carried.log_text)
    rows = carried.rows()
    # Another task may have begun the next message, which the mail server holds.
    assert [row["state"] for row in rows if row["state"] not in {"queued", "sending"}] == ["sent"]
    assert {row["doubts"] for row in rows} == {0}
    assert len(carried.sink.messages) == 1
    carried.sink.may_go.release(MESSAGES)


@pytest.mark.postgres
def test_tasks(carried):
    """A request enqueues a task in its own commit, and the tasks' worker carries it."""
    more = {"FAULTS_CARRIER": "tasks"}
    start(carried, "-m", "tests.faults.carried_asker", str(MESSAGES), **more)
    wait_until(lambda: "asked" in carried.log_text(), carried.log_text)
    start(carried, "-m", "django", "db_worker", "--no-startup-delay", "--interval", "0.1", **more)
    wait_until(lambda: sent_everything(carried), carried.log_text)
    assert_each_got_one(carried)

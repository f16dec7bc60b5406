"""The package's clock: the database's where it has one, this machine's for SQLite."""

import re
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import resend_confirmation
from resend_confirmation import clients, database, engine
from resend_confirmation.engine import ResendRequest
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.outcomes import CONCEALED, Outcome

pytestmark = [pytest.mark.database, pytest.mark.django_db]

HAS_CLOCK = connection.vendor != "sqlite"
needs_clock = pytest.mark.usefixtures("clock_of_the_database")
LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def unread(monkeypatch):
    """A clock that was not read before, as in a new process."""
    database.forget()
    yield
    database.forget()


@pytest.fixture
def clock_of_the_database(monkeypatch):
    """A statement for SQLite as well, whose clock is this machine's."""
    seconds = "SELECT (julianday('now') - 2440587.5) * 86400"
    monkeypatch.setitem(database._SQL, "sqlite", seconds)


class Uptime:
    """A machine's uptime that goes only when told to."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def uptime(monkeypatch):
    """This machine's own uptime."""
    made = Uptime()
    monkeypatch.setattr(database, "_uptime", made)
    return made


def test_now():
    """It is the time: servers and tests run on one machine here."""
    assert abs(database.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert database.now().utcoffset() == timedelta(0)


def test_time_is_the_database_clock(monkeypatch):
    """Django's clock moves nothing that is stored or compared."""
    monkeypatch.setattr(timezone, "now", lambda: LONG_AGO)
    assert database.now().year > 2020


def test_goes_on():
    """Two looks, one after the other, are in order."""
    looks = [database.now() for _ in range(100)]
    assert looks == sorted(looks)


@needs_clock
def test_statements(uptime, django_assert_num_queries):
    """The database is asked once in half a minute; in between this machine's uptime counts."""
    with django_assert_num_queries(1):
        first = database.now()
    uptime.seconds += 29.5
    with django_assert_num_queries(0):
        assert database.now() == first + timedelta(seconds=29.5)
    uptime.seconds += 1
    with django_assert_num_queries(1):
        # Nothing like half a minute has passed for the database.
        assert timedelta(0) <= database.now() - first < timedelta(seconds=10)


@pytest.mark.skipif(not HAS_CLOCK, reason="SQLite has no sessions")
def test_a_time_zone_of_the_session():
    """The session's time zone moves nothing."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET TIME ZONE 'Asia/Tokyo'")
        else:
            cursor.execute("SET time_zone = '+09:00'")
    try:
        assert abs(database.now() - datetime.now(UTC)) < timedelta(seconds=5)
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET TIME ZONE 'UTC'")
            else:
                cursor.execute("SET time_zone = DEFAULT")


@needs_clock
def test_a_cut_session(uptime, monkeypatch):
    """When the database cannot be asked the last reading is carried on; the first must succeed."""

    def cut():
        raise OperationalError("terminated")

    with monkeypatch.context() as away:
        away.setattr(connection, "cursor", cut)
        with pytest.raises(OperationalError):
            database.now()
    first = database.now()
    uptime.seconds += 300
    monkeypatch.setattr(connection, "cursor", cut)
    assert database.now() == first + timedelta(seconds=300)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_naive(settings, zone):
    """A site without time zones gets the time as it stores it."""
    settings.USE_TZ = False
    settings.TIME_ZONE = zone
    found = database.now()
    assert found.tzinfo is None
    assert abs(found - timezone.now()) < timedelta(seconds=5)


@needs_clock
def test_all_threads_share_a_reading(django_assert_num_queries):
    """A process reads the database's clock once, not once for each thread."""
    database.now()
    heard = []
    thread = threading.Thread(target=lambda: heard.append(database.now()))
    with mock.patch.object(BaseDatabaseWrapper, "cursor", side_effect=AssertionError):
        thread.start()
        thread.join(60)
    assert len(heard) == 1


@needs_clock
def test_due_for_every_process(uptime, monkeypatch):
    """A row that one process calls due now is due for another, however long their readings took."""
    asked = database.now()
    database.forget()
    execute = BaseDatabaseWrapper.cursor

    def slow(self):
        uptime.seconds += 5
        return execute(self)

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", slow)
    assert database.latest() >= asked
    assert database.latest() - database.now() == timedelta(seconds=5)


@needs_clock
def test_uptime():
    """The uptime that bridges two readings goes on while the process sleeps."""
    first = database.now()
    time.sleep(0.05)
    assert timedelta(seconds=0.04) < database.now() - first < timedelta(seconds=60)


def ask(quiet=frozenset()):
    request = ResendRequest(identity="pending", client=clients.default(), quiet=quiet)
    return engine.resend(request).ending


def ask_and_carry():
    ask()
    engine.drain()


def ask_quietly_and_carry():
    ask(CONCEALED)
    engine.drain()


def command():
    with suppress(CommandError):
        call_command("resend_confirmation", "send", "pending@example.com", verbosity=0)
    engine.drain()


@pytest.mark.parametrize("how", [ask_and_carry, ask_quietly_and_carry, command])
@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_process_whose_clock_is_wrong(how, minutes, pending, monkeypatch):
    """One that is behind or ahead, then one that is right: one message in a cooldown."""
    wrong, right = timedelta(minutes=minutes), timezone.now
    with monkeypatch.context() as process:
        process.setattr(timezone, "now", lambda: right() + wrong)
        process.setattr(time, "time", lambda: right().timestamp() + wrong.total_seconds())
        how()
    how()
    assert len(mail.outbox) == 1
    sent = Delivery.objects.get(state="sent")
    for moment in (sent.asked_at, sent.not_before, sent.sent_at, Cooldown.objects.get().last_at):
        assert moment is not None
        assert abs(moment - right()) < timedelta(seconds=30)


def test_statements_of_a_request(pending):
    """Between two readings the clock costs a request no statement."""
    database.now()
    with CaptureQueriesContext(connection) as asked:
        assert ask() is Outcome.SENT
    assert database._SQL.get(connection.vendor) not in [query["sql"] for query in asked]


PACKAGE = Path(resend_confirmation.__file__).parent
#: The clock itself; what other services and people compare with their own; counts in a cache.
BY_DJANGOS_CLOCK = {
    "contrib/oauth_toolkit.py",
    "database.py",
    "throttling/rates.py",
}


def test_nothing_else_reads_this_machines_clock():
    """No moment of this machine is stored or compared with a stored one.

    Vendors' dialects may compare theirs with those of the vendor.
    """
    reads = re.compile(r"timezone\.now|datetime\.(utc)?now|time\.time\(|date\.today|Now\(\)")
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if reads.search(path.read_text("utf-8")) and not path.is_relative_to(PACKAGE / "testing")
    }
    vendors = {name for name in found if re.match("dialects/(?!base/)", name)}
    assert found - vendors == BY_DJANGOS_CLOCK

"""The package's clock: the database's, or for SQLite the machine's."""

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
    """Forget earlier readings, as in a new process."""
    database.forget()
    yield
    database.forget()


@pytest.fixture
def clock_of_the_database(monkeypatch):
    """Use an SQL statement for SQLite as well."""
    seconds = "SELECT (julianday('now') - 2440587.5) * 86400"
    monkeypatch.setitem(database._SQL, "sqlite", seconds)


class Uptime:
    """An uptime that a test sets."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def uptime(monkeypatch):
    """The machine's uptime, which the test sets."""
    made = Uptime()
    monkeypatch.setattr(database, "_uptime", made)
    return made


def test_now():
    """The clock shows the current time, since the databases run on this machine."""
    assert abs(database.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert database.now().utcoffset() == timedelta(0)


def test_time_is_the_database_clock(monkeypatch):
    """The clock does not depend on ``timezone.now``."""
    monkeypatch.setattr(timezone, "now", lambda: LONG_AGO)
    assert database.now().year > 2020


def test_monotonic():
    """The clock does not go back."""
    looks = [database.now() for _ in range(100)]
    assert looks == sorted(looks)


@needs_clock
def test_statements(uptime, django_assert_num_queries):
    """The database is queried every 30 s; in between the uptime is added."""
    with django_assert_num_queries(1):
        first = database.now()
    uptime.seconds += 29.5
    with django_assert_num_queries(0):
        assert database.now() == first + timedelta(seconds=29.5)
    uptime.seconds += 1
    with django_assert_num_queries(1):
        # Much less than 30 s have passed for the database.
        assert timedelta(0) <= database.now() - first < timedelta(seconds=10)


@pytest.mark.skipif(not HAS_CLOCK, reason="SQLite has no sessions")
def test_a_time_zone_of_the_session():
    """The clock does not depend on the session's time zone."""
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
    """If the database cannot be queried, the last reading is continued; the first must succeed."""

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
    """With USE_TZ = False the time is naive, as Django stores it."""
    settings.USE_TZ = False
    settings.TIME_ZONE = zone
    found = database.now()
    assert found.tzinfo is None
    assert abs(found - timezone.now()) < timedelta(seconds=5)


@needs_clock
def test_all_threads_share_a_reading(django_assert_num_queries):
    """All threads of a process share one reading of the database's clock."""
    database.now()
    heard = []
    thread = threading.Thread(target=lambda: heard.append(database.now()))
    with mock.patch.object(BaseDatabaseWrapper, "cursor", side_effect=AssertionError):
        thread.start()
        thread.join(60)
    assert len(heard) == 1


@needs_clock
def test_due_for_every_process(uptime, monkeypatch):
    """A slow reading does not make a row due later in another process."""
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
    """The uptime between two readings also counts time in which the process sleeps."""
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
    """A process whose clock is wrong does not shorten or extend the cooldown."""
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
    """A request does not query the clock if there is a recent reading."""
    database.now()
    with CaptureQueriesContext(connection) as asked:
        assert ask() is Outcome.SENT
    assert database._SQL.get(connection.vendor) not in [query["sql"] for query in asked]


PACKAGE = Path(resend_confirmation.__file__).parent
#: Django's clock is right for times that an OAuth server compares, and for counts in a cache.
BY_DJANGOS_CLOCK = {
    "contrib/oauth_toolkit.py",
    "database.py",
    "throttling/rates.py",
}


def test_nothing_else_reads_this_machines_clock():
    """No other module of the package reads the machine's clock.

    Dialects may, for times that are compared with a vendor's.
    """
    reads = re.compile(r"timezone\.now|datetime\.(utc)?now|time\.time\(|date\.today|Now\(\)")
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if reads.search(path.read_text("utf-8")) and not path.is_relative_to(PACKAGE / "testing")
    }
    vendors = {name for name in found if re.match("dialects/(?!base/)", name)}
    assert found - vendors == BY_DJANGOS_CLOCK

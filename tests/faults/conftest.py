"""Fixtures for couriers: a separate database, a mail server that keeps its messages, processes."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from contextlib import closing, suppress
from email import message_from_bytes, policy
from pathlib import Path

import environ
import psycopg
import pymysql
import pytest
from django.conf import settings

from tests.conftest import unavailable
from tests.smtp_server import Server

ROOT = Path(__file__).resolve().parents[2]
#: Seconds for anything to happen, on a machine that is busy with something else.
DEADLINE = 300

#: Read with the database's driver: the code under test is not asked what it did.
DUMP = """
    SELECT d.id AS pk, d.state, reason, attempts, doubts, message_id, error_class, error_code,
        address, sends, lease_owner, d.client
    FROM resend_confirmation_delivery d
    LEFT JOIN resend_confirmation_confirmation c ON c.id = d.confirmation_id
    ORDER BY d.id
"""


class Sink:
    """An SMTP handler that keeps every message it accepted."""

    def __init__(self):
        self.messages = []
        self.arrivals = []
        self.lock = threading.Lock()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=policy.default)
        with self.lock:
            self.messages.append((envelope.rcpt_tos, message))
            self.arrivals.append((envelope.rcpt_tos[0], time.time()))
        return "250 OK"

    def by_recipient(self):
        """Return the messages by recipient."""
        found = defaultdict(list)
        with self.lock:
            for recipients, message in self.messages:
                assert len(recipients) == 1
                found[recipients[0]].append(message)
        return found


def wait_until(condition, why, seconds=DEADLINE):
    """Return when ``condition()`` holds; fail after a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why()
        threading.Event().wait(0.1)


class World:
    """The processes of one test, and the database and mail server that they share."""

    def __init__(self, database_url, folder):
        self.database_url = database_url
        self.journal = folder / "deaths"
        self.log = (folder / "log").open("w+")
        self.sink = Sink()
        self.controller = None
        self.processes = []

    def serve(self, handler=None, **options):
        """Start the mail server."""
        handler = handler or self.sink
        self.controller = Server(handler, **options)
        self.controller.start()
        self.port = self.controller.port

    def environment(self, **more):
        """Return the environment of a process of this world."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "FAULTS_DATABASE_URL": self.database_url,
            "FAULTS_SMTP_PORT": str(self.port),
            "FAULTS_JOURNAL": str(self.journal),
            **more,
        }

    def run(self, *arguments, **more):
        """Run one Python process to its end and return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, total, undone=0, **more):
        """Create accounts and request all their confirmations, rolling some back."""
        self.run("-m", "tests.faults.asker", str(total), str(undone), **more)

    def spawn(self, *arguments, stdin=None, stdout=None, **more):
        """Start one Python process that keeps running."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(**more),
            stdin=stdin,
            stdout=stdout or self.log,
            stderr=self.log,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def start_couriers(self, number, **more):
        """Start couriers; those that kill themselves are replaced."""
        return self.spawn("-m", "tests.faults.courier", str(number), **more)

    def rows(self):
        """Return the deliveries, as the database has them."""
        with closing(connect(self.database_url)) as connection, closing(connection.cursor()) as on:
            on.execute(DUMP)
            names = [column[0] for column in on.description]
            return [dict(zip(names, values, strict=True)) for values in on.fetchall()]

    def unfinished(self):
        """Return the number of deliveries that are still on their way."""
        return sum(row["state"] in {"asked", "queued", "sending"} for row in self.rows())

    def deaths(self):
        """Return the points at which couriers died, with their deliveries."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_text().splitlines()
        return [(point, int(pk)) for point, pk in (line.split() for line in lines)]

    def log_text(self):
        """Return the output of the couriers."""
        # Not through the handle that the couriers write to: reading would move them as well.
        return Path(self.log.name).read_text()[-8000:]

    def stop(self):
        """End every process and the mail server."""
        for process in self.processes:
            kill(process)
        if self.controller:
            self.controller.stop()
        self.log.close()


def kill(process):
    """Kill a process and those that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def connect(url):
    """Open a connection of the database's driver, which commits each statement."""
    config = environ.Env.db_url_config(url)
    if url.startswith("sqlite"):
        return sqlite3.connect(config["NAME"], isolation_level=None)
    if url.startswith("postgres"):
        return psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True)
    return pymysql.connect(
        host=config["HOST"] or "127.0.0.1",
        port=int(config["PORT"] or 3306),
        user=config["USER"],
        password=config["PASSWORD"],
        database=config["NAME"],
        autocommit=True,
    )


def _sqlite(folder):
    return f"sqlite:///{folder / 'world.sqlite3'}", lambda: None


def _on_server(name, create, drop):
    """Create a database and return its URL and a function that drops it."""
    url = settings.DATABASE_URLS[name]
    database = f"faults_{uuid.uuid4().hex[:12]}"
    try:
        server = connect(url)
    except (psycopg.OperationalError, pymysql.OperationalError) as error:
        unavailable(f"no {name} server: {error}")
    server.cursor().execute(create.format(database))

    def end():
        with closing(server):
            server.cursor().execute(drop.format(database))

    return f"{url.rpartition('/')[0]}/{database}", end


def _postgres(_):
    return _on_server("postgres", "CREATE DATABASE {}", "DROP DATABASE {} WITH (FORCE)")


def _mariadb(_):
    return _on_server("mariadb", "CREATE DATABASE {} CHARACTER SET utf8mb4", "DROP DATABASE {}")


DATABASES = {"sqlite": _sqlite, "postgres": _postgres, "mariadb": _mariadb}


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def world(request, tmp_path):
    """A world on each of the three databases."""
    url, drop = DATABASES[request.param](tmp_path)
    made = World(url, tmp_path)
    try:
        yield made
    finally:
        made.stop()
        drop()

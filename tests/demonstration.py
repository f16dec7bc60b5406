"""Run the example site in a separate process, with a port and a database for one test."""

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Warnings are errors in these processes too, except one: Django's development server does not
#: close its listening socket when it ends.
WARNINGS = ["-W", "error", "-W", "ignore::ResourceWarning"]
COMMAND = [sys.executable, *WARNINGS, str(ROOT / "example_project" / "manage.py")]
#: The longest wait in seconds; it is long enough for a busy machine.
DEADLINE = 60.0
#: The environment variables of the example site; those of the test run are not passed on.
VARIABLES = {
    *("ALLOWED_HOSTS", "BASE_URL", "CACHE_URL", "CARRIER", "CELERY_BROKER_URL", "COOLDOWN"),
    *("DATABASE_URL", "DEBUG", "EMAIL_URL", "QUIET", "SECRET_KEY", "SEND_DEADLINE"),
    *("TASKS_BACKEND", "THROTTLE", "TRUSTED_PROXIES"),
}
STATE_OF = (
    "SELECT state FROM resend_confirmation_confirmation"
    " JOIN auth_user ON auth_user.id = account_id WHERE email = ?"
)


def wait_for(look, what: str):
    """Call ``look`` until it returns a true value, and return that; fail after ``DEADLINE``."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    return pytest.fail(f"timed out waiting for {what}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return the environment for a command of the example site, with a separate database."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | {
        "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "example.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **variables,
    }


def manage(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a command of the example site and return the finished process."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@dataclass
class Reply:
    """A response, as received over the socket."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Site:
    """A running example site."""

    folder: Path
    port: int
    process: subprocess.Popen = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def ask(self, method: str, target: str, body: str = "", headers=None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        with closing(connection):
            connection.request(method, target, body.encode(), dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())

    def get(self, target: str) -> Reply:
        return self.ask("GET", target)

    def rows(self, statement: str, *values: str) -> list[tuple]:
        """Return the result of an SQL statement, read directly from the database's file."""
        with closing(sqlite3.connect(self.folder / "site.sqlite3", timeout=DEADLINE)) as database:
            return database.execute(statement, values).fetchall()

    def state_of(self, address: str):
        """Return the state of an account's confirmation."""
        return self.rows(STATE_OF, address)[0][0]

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            return self.get("/").status == 200
        except ConnectionError:
            return False

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(DEADLINE)


@contextmanager
def running(folder: Path, **variables: str) -> Iterator[Site]:
    """Run ``manage.py demo`` on a free port, and wait until it responds."""
    port = free_port()
    command = [*COMMAND, "demo", f"127.0.0.1:{port}"]
    with (
        (folder / "output.txt").open("w") as output,
        subprocess.Popen(
            [*command, "--pending", "12"],
            env=environment(folder, **variables),
            stdout=output,
            stderr=output,
        ) as process,
    ):
        site = Site(folder, port, process)
        try:
            wait_for(site.is_up, "the example site")
            yield site
        finally:
            process.kill()

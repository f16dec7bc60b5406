"""The example site in a separate process, on a socket and a database for one test."""

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
#: Warnings are errors here too.
# Django's own server leaves its listening socket to the garbage collector when it ends.
WARNINGS = ["-W", "error", "-W", "ignore::ResourceWarning"]
COMMAND = [sys.executable, *WARNINGS, str(ROOT / "example_project" / "manage.py")]
#: Seconds for anything to happen, on a machine that is busy with something else.
DEADLINE = 60.0
#: The environment of the example site; each test sets all of it.
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
    """Return the first true value of ``look``; fail if there is none in time."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    return pytest.fail(f"waited in vain for {what}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a command of the example site: a separate database."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | {
        "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "example.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **variables,
    }


def manage(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """A command of the example site, to its end."""
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
    """The bytes received over the socket."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Site:
    """A running demonstration."""

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
        """Return the rows that a statement finds in the database's file, bypassing the site."""
        with closing(sqlite3.connect(self.folder / "site.sqlite3", timeout=DEADLINE)) as database:
            return database.execute(statement, values).fetchall()

    def state_of(self, address: str):
        """The state of an account's confirmation."""
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
    """``manage.py demo`` on a free port, up and answering."""
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

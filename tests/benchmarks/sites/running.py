"""A site that runs under gunicorn, with a database that nothing else uses."""

import os
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import environ

from tests.benchmarks.processes import cpu, family, sessions
from tests.demonstration import free_port
from tests.faults.conftest import DATABASES, World, connect, wait_until

SERVER = "--workers 2 --worker-class sync --timeout 0 --keep-alive 60 --log-level warning"

#: The number of rows that a site's requests have written so far.
OURS = "SELECT COUNT(*) FROM resend_confirmation_delivery"
OTHERS = "SELECT SUM(sends) FROM sites_of_benchmarks_visitor"


class Site:
    """The processes of one site. ``variables`` are those of its settings."""

    def __init__(self, kind: str, folder: Path, database: str, port: int, journal: Path) -> None:
        folder.mkdir()
        self.kind = kind
        url, self.drop = DATABASES[database](folder)
        self.world = World(url, folder)
        self.world.port = port
        self.variables = {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.sites.settings",
            "BENCHMARK_SITE": kind,
            "BENCHMARK_JOURNAL": str(journal),
        }

    def seed(self, accounts: int) -> None:
        """Create the tables and the accounts."""
        module = "our_rows" if self.kind == "ours" else "rows"
        module = f"tests.benchmarks.sites.{module}"
        self.run("-m", module, str(accounts))

    def run(self, *command: str) -> str:
        """Run Python with the site's settings to its end, and return what it printed."""
        return str(self.world.run(*command, **self.variables))

    def spawn(self, *command: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start Python with the site's settings."""
        started: subprocess.Popen[bytes] = self.world.spawn(*command, **self.variables | variables)
        return started

    def serve(self, **variables: str) -> "Server":
        """Start a server on this database."""
        return Server(self, variables)

    def written(self) -> int:
        """Return the number of rows that requests have written, read with the driver."""
        with closing(connect(self.world.database_url)) as on, closing(on.cursor()) as cursor:
            cursor.execute(OURS if self.kind == "ours" else OTHERS)
            return int(cursor.fetchone()[0])

    def stop(self) -> None:
        """End the servers and drop the database."""
        self.world.stop()
        self.drop()


class Server:
    """A server of a site, which is halted unless it is measured."""

    def __init__(self, site: Site, variables: dict[str, str]) -> None:
        self.site, self.port = site, free_port()
        bind = f"127.0.0.1:{self.port}"
        self.process = site.spawn(
            *["-m", "gunicorn", "tests.benchmarks.sites.wsgi"],
            *["--bind", bind, *SERVER.split()],
            **variables,
        )
        wait_until(self._listens, site.world.log_text)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.site.world.log_text()
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def send(self, number: signal.Signals) -> None:
        """Send a signal, such as that to halt, to all of the server's processes."""
        os.killpg(self.process.pid, number)

    def cpu(self) -> tuple[float, float]:
        """Return the milliseconds computed by the server, and by its sessions in the database."""
        config: Any = environ.Env.db_url_config(self.site.world.database_url)
        return cpu(family(self.process.pid)), cpu(sessions(config["NAME"]))

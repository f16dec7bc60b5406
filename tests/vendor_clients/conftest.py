"""Scripts that call the vendors' clients, and sites for their requests."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.demonstration import DEADLINE, Site, manage, running, wait_for

HERE = Path(__file__).parent
#: The number of pending accounts. Each test uses another one, so that no cooldown interferes.
PENDING = 120
#: Settings with another default client.
OTHER_CLIENTS = {"DJANGO_SETTINGS_MODULE": "tests.vendor_clients.settings"}
#: The settings of each site that differ from the demonstration's.
#: The throttle counts each dialect separately.
SITES = {
    "open": {"THROTTLE": "off"},
    "open too": {"THROTTLE": "off"},
    "throttled": {"THROTTLE": "1/d"},
    "not required": {"THROTTLE": "off", "DEFAULT_CLIENT": "kiosk", **OTHER_CLIENTS},
    "without clients": {"THROTTLE": "off", "DEFAULT_CLIENT": "nobody", **OTHER_CLIENTS},
    "broken": {"THROTTLE": "off", "CARRIER": "none"},
}


@pytest.fixture(scope="session")
def run(node_modules) -> Callable[..., Any]:
    """Return a function that runs a script of this folder and returns its output."""
    # No other variables, since old libraries would send local requests to a proxy.
    variables = {"PATH": os.environ["PATH"], "NODE_PATH": str(node_modules)}

    def run(script: str, **case: Any) -> Any:
        done = subprocess.run(
            ["node", str(HERE / script), json.dumps(case)],
            env=variables,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


class Sites:
    """The sites, each of which is started at its first use."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._started: dict[str, Site] = {}
        self._numbers = count(1)
        manage(folder, "migrate", "--verbosity", "0").check_returncode()
        manage(folder, "seed_demo", "--pending", str(PENDING)).check_returncode()

    def __getitem__(self, name: str) -> Site:
        if name not in self._started:
            self.start(name, **SITES[name])
            if name == "broken":
                _break(self._started[name])
        return self._started[name]

    def start(self, name: str, **variables: str) -> Site:
        """Start a site with its own database, which runs until the end of the tests."""
        folder = self._folder / name.replace(" ", "-")
        folder.mkdir()
        shutil.copy(self._folder / "site.sqlite3", folder)
        self._started[name] = self._stack.enter_context(running(folder, **variables))
        return self._started[name]

    def get(self, name: str) -> Site | None:
        """Return the site if it was started."""
        return self._started.get(name)

    def waiting(self) -> str:
        """Return the address of a pending account that is not used yet."""
        number = next(self._numbers)
        assert number <= PENDING
        return f"pending{number:06}@example.com"


def _break(site: Site) -> None:
    """Remove a table that every request needs."""
    with closing(sqlite3.connect(site.folder / "site.sqlite3", timeout=DEADLINE)) as database:
        database.execute("ALTER TABLE resend_confirmation_cooldown RENAME TO gone")


@pytest.fixture(scope="session")
def sites(tmp_path_factory) -> Iterator[Sites]:
    """The sites, each with its own inbox."""
    with ExitStack() as stack:
        yield Sites(tmp_path_factory.mktemp("sites"), stack)


def deliveries(site: Site) -> list[tuple]:
    """Return dialect, client and address of each delivery, in order.

    Until a quiet request is resolved, the address is the identity of the request.
    """
    return site.rows(
        "SELECT delivery.dialect, delivery.client, COALESCE(address, delivery.identity)"
        " FROM resend_confirmation_delivery AS delivery"
        " LEFT JOIN resend_confirmation_confirmation AS confirmation"
        " ON confirmation.id = delivery.confirmation_id ORDER BY delivery.id"
    )


def inbox_of(site: Site, address: str) -> list[str]:
    """Wait for a message to an address, and return the subjects of all messages to it."""
    statement = "SELECT subject FROM inbox_message WHERE recipient = ?"
    mailbox, _, domain = address.partition("@")
    recipient = f"{mailbox}@{domain.encode('idna').decode()}"
    rows = wait_for(lambda: site.rows(statement, recipient), f"a message to {recipient}")
    return [subject for (subject,) in rows]


SUBJECT = "Please confirm your e-mail address for Example site"
IN_GERMAN = "Bitte bestätigen Sie Ihre E-Mail-Adresse für Example site"


@contextmanager
def sent_once(
    site: Site, dialect: str, address: str, client: str = "game", subject: str = SUBJECT
) -> Iterator[None]:
    """Assert that exactly one delivery is created within the context, and its message arrives."""
    before = deliveries(site)
    yield
    assert deliveries(site) == [*before, (dialect, client, address)]
    assert inbox_of(site, address) == [subject]


@contextmanager
def nothing_sent(site: Site) -> Iterator[None]:
    """Assert that no delivery is created within the context."""
    before = len(deliveries(site))
    yield
    assert len(deliveries(site)) == before

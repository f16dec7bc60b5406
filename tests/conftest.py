"""Fixtures for every test; an absent service skips a test, or fails it in CI."""

import hashlib
import os
import shutil
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from resend_confirmation.testing.dialects import forget_counts

from .factories import PendingFactory, UserFactory
from .mailers import ScriptedBackend, through
from .subprocesses import COVERAGE  # noqa: F401 - taken out of the environment of other processes

# A shell ignores SIGINT for what it runs in the background, and nohup ignores SIGHUP.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

#: Factor on CI's number of examples, for longer runs with new ones each time.
TIMES = int(os.environ.get("FUZZ_TIMES", "1"))

hypothesis_settings.register_profile("home", deadline=None, suppress_health_check=[*HealthCheck])
# The same examples each time, so that a change is not refused for what it did not do.
hypothesis_settings.register_profile(
    "ci", hypothesis_settings.get_profile("home"), derandomize=True, database=None
)
_IN_CI = bool(os.environ.get("CI") or os.environ.get("REQUIRE_SERVICES"))
hypothesis_settings.load_profile("ci" if _IN_CI and TIMES == 1 else "home")


def examples(count: int) -> int:
    """Return ``count`` times FUZZ_TIMES, which is 1 by default."""
    return count * TIMES


@pytest.fixture(autouse=True)
def fresh_process_state(monkeypatch):
    """Reset counters that live as long as a process before each test."""
    forget_counts(monkeypatch)


@pytest.fixture
def pending(db):
    """The account pending@example.com."""
    return PendingFactory.create(username="pending", email="pending@example.com")


@pytest.fixture
def confirmed(db):
    """The account confirmed@example.com."""
    return UserFactory.create(username="confirmed", email="confirmed@example.com")


@pytest.fixture
def blocked(db):
    """The account blocked@example.com, deactivated by staff while pending."""
    user = PendingFactory.create(username="blocked", email="blocked@example.com")
    user.is_active = False
    user.save()
    return user


class Clock:
    """The time that the package sees, which stands still until it is moved."""

    def __init__(self):
        self.now = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def move(self, **by):
        """Go on by days, hours, minutes or seconds."""
        self.now += timedelta(**by)


@pytest.fixture
def clock(monkeypatch):
    """A clock at noon of 1 January 2030."""
    made = Clock()
    monkeypatch.setattr(timezone, "now", made)
    # Texts for people use Django's clock, everything else the database's.
    monkeypatch.setattr("resend_confirmation.database.now", made)
    monkeypatch.setattr("resend_confirmation.database.latest", made)
    return made


@pytest.fixture
def at_once(monkeypatch):
    """Run on_commit callbacks at once, since a test's transaction is never committed."""
    monkeypatch.setattr("resend_confirmation.database.on_commit", lambda work: work())


@pytest.fixture
def script(settings):
    """The errors that the mail backend raises, one per call; None is success."""
    through(settings, "tests.mailers.ScriptedBackend")
    ScriptedBackend.script.clear()
    ScriptedBackend.seen.clear()
    return ScriptedBackend.script


@pytest.fixture
def change(settings):
    """Change some of our settings and keep the others."""

    def put(**given):
        settings.RESEND_CONFIRMATION = settings.RESEND_CONFIRMATION | given

    return put


@pytest.fixture(scope="session")
def live_server(django_db_setup, live_server):
    """The server, started after the database has its name.

    Before that it seems to be in memory, and the server's threads would share one connection.
    """
    return live_server


def unavailable(reason: str) -> None:
    """Skip the test, or fail it if REQUIRE_SERVICES is set."""
    if os.environ.get("REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)


#: Options that a browser needs in a container, and that turn its background traffic off.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=800,600",
]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A browser with a new profile."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        unavailable("Chromium or its driver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = str(binary)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


#: The packages from npm that tests use, with their versions.
NPM = Path(__file__).parent / "vendor_clients"
#: Time limit in seconds for the installation, with a margin for slow connections.
INSTALL_DEADLINE = 300
OLDEST_NODE = 20


@pytest.fixture(scope="session")
def node_modules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the installed packages, cached for each version of the lock file."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            unavailable(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.strip().lstrip("v").split(".")[0]) < OLDEST_NODE:
        unavailable(f"Node.js {OLDEST_NODE} or later is needed, not {version.stdout.strip()}")
    lock = (NPM / "package-lock.json").read_bytes()
    # The cache plugin may be disabled.
    cache = getattr(request.config, "cache", None)
    home = cache.mkdir("clients") if cache else tmp_path_factory.mktemp("clients")
    folder = home / hashlib.sha256(lock).hexdigest()[:16]
    if not folder.exists():
        _install(folder)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    # Install in another folder first, so that an interrupted installation is not used.
    building = folder.with_suffix(f".{os.getpid()}")
    building.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NPM / name, building)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command,
        cwd=building,
        capture_output=True,
        text=True,
        timeout=INSTALL_DEADLINE,
        check=False,
    )
    if done.returncode:
        # An invalid lock file is a mistake in this repository; the network causes other failures.
        assert "EUSAGE" not in done.stderr, done.stderr
        unavailable(f"npm ci: {done.stderr[-2000:]}")
    building.replace(folder)

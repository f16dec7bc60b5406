"""uWSGI: disabled threads, and its request log."""

import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import unavailable
from tests.demonstration import free_port
from tests.new_project import NewProject
from tests.test_docs import blocks, page
from tests.test_new_projects import MAILERS, SMALLEST, TO_FILES, TO_FILES_BEFORE

#: The program. It is not part of an extra, since it must be compiled.
UWSGI = shutil.which("uwsgi", path=str(Path(sys.executable).parent)) or shutil.which("uwsgi") or ""

pytestmark = pytest.mark.faults

DEADLINE = 60
TOKEN = "tokentokentokentokentokentokentokentokentok"
SIGN_UPS = """
from django.contrib.auth.models import User
from resend_confirmation import start
for name in ("ann", "bob"):
    start(User.objects.create_user(name, f"{name}@example.com"), send=False)
"""


@pytest.fixture
def project(tmp_path):
    """A new project with two pending accounts."""
    if not UWSGI:
        unavailable("the program uwsgi is not installed")
    made = NewProject(tmp_path)
    apps = "INSTALLED_APPS = [*INSTALLED_APPS, 'resend_confirmation']\n"
    made.append("settings.py", apps, SMALLEST, TO_FILES if MAILERS else TO_FILES_BEFORE)
    made.append("urls.py", blocks(page("README.md"), "python")[1])
    made.manage("migrate", "--verbosity", "0")
    made.manage("shell", "-c", SIGN_UPS)
    return made


def wait_until(condition, why):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, why()
        threading.Event().wait(0.05)


@contextmanager
def serving(project, *options):
    """Serve the project with uWSGI; yield its URL and a function that returns the log."""
    port = free_port()
    log = project.folder / "uwsgi.log"
    paths = [str(project.folder), sysconfig.get_paths()["purelib"]]
    paths.append(str(Path(__file__).parents[2]))
    with log.open("w") as file:
        process = subprocess.Popen(
            [
                UWSGI, "--http-socket", f"127.0.0.1:{port}", "--need-app", "--module",
                "shop.wsgi", *(f"--pythonpath={path}" for path in paths), *options,
            ],
            cwd=project.folder, stdout=file, stderr=file,
            env={n: v for n, v in os.environ.items() if n != "DJANGO_SETTINGS_MODULE"},
        )  # fmt: skip
    try:
        wait_until(lambda: "spawned uWSGI worker" in log.read_text(), log.read_text)
        yield f"http://127.0.0.1:{port}", log.read_text
    finally:
        process.kill()
        process.wait()


def ask(root, name):
    """Send a request and return the status."""
    body = b'{"email": "%s@example.com"}' % name.encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{root}/auth/send-email-confirmation", body, headers)
    with urllib.request.urlopen(request, timeout=DEADLINE) as response:
        return response.status


def test_without_threads(project):
    """Without threads the log says once that nothing is sent."""
    with serving(project) as (root, log):
        if "threads support enabled" in log():
            pytest.skip("this uWSGI runs threads by default")
        assert [ask(root, "ann"), ask(root, "bob")] == [200, 200]
        wait_until(lambda: "uWSGI runs this process without threads" in log(), log)
        assert log().count("uWSGI runs this process without threads") == 1


def test_settings_of_the_docs(project):
    """With the how-to's settings messages are sent, and the log has no token."""
    ini = project.folder / "uwsgi.ini"
    (settings,) = (b for b in blocks(page("docs/how-to/install.md"), "ini"))
    ini.write_text(settings)
    sent = project.folder / "sent"
    with serving(project, "--ini", str(ini)) as (root, log):
        assert ask(root, "ann") == 200
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{root}/confirm/?token={TOKEN}", timeout=DEADLINE)
        wait_until(lambda: sent.exists() and list(sent.iterdir()), log)
        wait_until(lambda: '"GET /confirm/ HTTP/1.1" 404' in log(), log)
        assert TOKEN not in log()
        assert "runs this process without threads" not in log()

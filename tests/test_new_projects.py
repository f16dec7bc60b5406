"""How-tos, each followed literally in a new project."""

import os
import re
import uuid
from pathlib import Path

import django
import pytest

from .new_project import NewProject
from .test_docs import blocks, page

pytestmark = pytest.mark.server

MAILERS = django.VERSION >= (6, 1)

#: The minimal setting, for how-tos that do not show it.
SMALLEST = """
RESEND_CONFIRMATION = {
    "BASE_URL": "https://site.example",
    "CLIENTS": [{"name": "default"}],
}
"""


BROKER = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


@pytest.fixture
def project(tmp_path: Path) -> NewProject:
    """A new project."""
    return NewProject(tmp_path)


@pytest.mark.django
def test_openapi(project):
    """The how-to's command writes the OpenAPI document without warnings."""
    in_settings, in_urls, *_ = blocks(page("docs/how-to/openapi.md"), "python")
    command, _ = blocks(page("docs/how-to/openapi.md"), "console")
    project.append("settings.py", in_settings, SMALLEST)
    project.write("urls.py", in_urls)
    project.run(*command.split()[1:])
    document = (project.folder / "openapi.yaml").read_text("utf-8")
    assert "\nopenapi: 3." in f"\n{document}"
    assert "\n  /schema/:" in document


CODES = "docs/how-to/issue-authorization-codes.md"


def test_authorization_codes(project):
    """After the how-to's steps the checks only report that the Application is missing."""
    in_settings, *_ = blocks(page(CODES), "python")
    _, migrate = blocks(page(CODES), "console")
    project.append("settings.py", in_settings)
    project.append("urls.py", *blocks(page("README.md"), "python")[1:2])
    said = project.manage("check", "--tag", "resend_confirmation")
    assert said.count("(resend_confirmation.") == said.count("(resend_confirmation.W033)")
    project.run(*migrate.split()[1:])
    said = project.manage("check", "--database", "default")
    told = said.replace("(resend_confirmation.W033)", "")
    assert told.count("(resend_confirmation.") == 1
    assert "(resend_confirmation.W021) No authorization code can be issued" in said
    application = (
        "from oauth2_provider.models import Application as A\n"
        "A.objects.create(client_id='LOgR4Xz8', client_type=A.CLIENT_CONFIDENTIAL,"
        " authorization_grant_type=A.GRANT_AUTHORIZATION_CODE,"
        " redirect_uris='https://game.example/callback')\n"
    )
    project.manage("shell", "-c", application)
    assert "resend_confirmation.W02" not in project.manage("check", "--database", "default")


#: Stores messages in the folder ``sent``.
TO_FILES = """
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "OPTIONS": {"file_path": BASE_DIR / "sent"},
    }
}
"""
TO_FILES_BEFORE = """
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = BASE_DIR / "sent"
"""

SIGN_UP = """
from django.contrib.auth.models import User
from resend_confirmation import start
start(User.objects.create_user("ann", "ann@example.com"))
"""


@pytest.mark.django
def test_carrier_tasks(project):
    """A sign-up enqueues a task, and the how-to's worker sends the message."""
    text = page("docs/how-to/carriers.md")
    tasks = text[text.index("## tasks") : text.index("## celery")]
    settings, apps_before = blocks(tasks, "python")
    *_, commands = blocks(tasks, "console")
    migrate, worker = commands.splitlines()
    if django.VERSION < (6, 0):
        settings = re.sub(r"INSTALLED_APPS = .*?^]\n", apps_before, settings, flags=re.S | re.M)
    project.append("settings.py", settings, TO_FILES if MAILERS else TO_FILES_BEFORE)
    project.append("urls.py", blocks(page("README.md"), "python")[1])
    project.run(*migrate.split()[1:])
    done = project.ask("manage.py", "check", "--deploy")
    assert "(resend_confirmation.W004)" in done.stderr
    assert "(resend_confirmation.W016)" not in done.stderr
    project.manage("shell", "-c", SIGN_UP)
    sent = project.folder / "sent"
    assert not sent.exists()
    # The how-to's command, with options to exit when the queue is empty.
    project.run(*worker.split()[1:], "--batch", "--no-startup-delay")
    (message,) = sent.iterdir()
    assert "To: ann@example.com" in message.read_text("utf-8")


@pytest.mark.redis
def test_carrier_celery(project, monkeypatch):
    """A sign-up publishes a task, and the how-to's worker sends the message."""
    text = page("docs/how-to/carriers.md")
    settings, application, init, _ = blocks(
        text[text.index("## celery") : text.index("## none")], "python"
    )
    queue = f"CELERY_TASK_DEFAULT_QUEUE = 'docs-{uuid.uuid4().hex}'\n"
    project.append("settings.py", settings, queue, TO_FILES if MAILERS else TO_FILES_BEFORE)
    project.append("urls.py", blocks(page("README.md"), "python")[1])
    project.append("settings.py", "INSTALLED_APPS = [*INSTALLED_APPS, 'resend_confirmation']\n")
    project.write("celery.py", application)
    monkeypatch.setenv("CELERY_BROKER_URL", BROKER)
    project.manage("migrate", "--verbosity", "0")
    monkeypatch.delenv("CELERY_BROKER_URL")
    assert "(resend_confirmation.W035)" in project.ask("manage.py", "check", "--deploy").stderr
    monkeypatch.setenv("CELERY_BROKER_URL", BROKER)
    project.append("__init__.py", init)
    assert "(resend_confirmation.W035)" not in project.ask("manage.py", "check", "--deploy").stderr
    project.manage("shell", "-c", SIGN_UP)
    # A worker that exits after the task.
    project.run("-c", WORKER)
    (message,) = (project.folder / "sent").iterdir()
    assert "To: ann@example.com" in message.read_text("utf-8")


#: The how-to's worker, which stops after the first task.
WORKER = """
from celery.signals import task_postrun
from shop import celery_app

@task_postrun.connect
def stop(sender, **kwargs):
    from celery.worker import state
    state.should_stop = 0

celery_app.worker_main(["worker", "--pool", "solo", "--loglevel", "WARNING"])
"""

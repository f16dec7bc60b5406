"""Reports of unexpected errors contain no row, SQL parameter or error text."""

import json
import logging
import sys
import traceback
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.db import DatabaseError, IntegrityError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.views.debug import ExceptionReporter

from resend_confirmation import clients, engine, failures, start
from resend_confirmation.courier import send_due
from resend_confirmation.engine import ResendRequest
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import DeliveryState
from tests.secrets.conftest import unlogged
from tests.test_link import linked

pytestmark = [pytest.mark.database, pytest.mark.django_db]

ADDRESS, PAYLOAD = "pending@example.com", "a-payload-of-the-callers"
QUERY = f"projectId=40db2ea4-5d42-11e6-a3ff-005056a0e04a&payload={PAYLOAD}"
SECRETS = [ADDRESS, PAYLOAD]
DRIVER: Any = getattr(connection, "Database")  # noqa: B009 - mypy does not know it
#: A pending user and the confirmation.
ROWS: list[Any] = []


class Failing:
    """Make one statement fail with an error that quotes all of its input."""

    def __init__(self, number, table=""):
        self.left, self.table, self.has_failed = number, table, False

    def __call__(self, execute, sql, params, many, context):
        self.left -= self.table in sql
        if self.left != -1 or self.has_failed:
            return execute(sql, params, many, context)
        self.has_failed = True
        text = f"DETAIL: Failing row contains ({params!r}, {SECRETS})"
        driver = DRIVER.IntegrityError(text)
        driver.add_note(text)
        raise IntegrityError(text) from driver


def reported(error):
    """Return Django's reports of an exception, as text and as HTML."""
    reporter = ExceptionReporter(None, type(error), error, error.__traceback__, is_email=True)
    with unlogged():
        return reporter.get_traceback_text() + reporter.get_traceback_html()


@pytest.fixture
def secrets(pending):
    """Create rows that hold the secrets, and return the secrets, including the token."""
    token = linked(pending)
    Cooldown.objects.all().delete()
    facts = {"client": "game", "payload": PAYLOAD, "identity": ADDRESS}
    now = timezone.now()
    Delivery.objects.create(state=DeliveryState.ASKED, asked_at=now, not_before=now, **facts)
    start(pending)
    Delivery.objects.filter(state=DeliveryState.QUEUED).update(payload=PAYLOAD)
    Cooldown.objects.all().delete()
    SECRETS[2:] = [token]
    ROWS[:] = [pending, Confirmation.objects.get()]
    return SECRETS


def browse(method, path, body):
    browser = Client(raise_request_exception=False)
    getattr(browser, method)(path, body, content_type="application/json")


def ask():
    browse("post", f"/api/user/resend_confirmation_link?{QUERY}", json.dumps({"username": ADDRESS}))


def ask_quietly():
    browse("post", "/accounts/resend-confirmation", json.dumps({"email": ADDRESS}))


def resend():
    engine.resend(ResendRequest(identity=ADDRESS, client=clients.default(), payload=PAYLOAD))


def press():
    Client(raise_request_exception=False).post("/confirm/", {"token": SECRETS[2]})


def disown():
    Client(raise_request_exception=False).post(
        reverse("resend_confirmation:disown"), {"token": SECRETS[2]}
    )


def ask_on_the_page():
    data = {"token": SECRETS[2], "address": ADDRESS}
    Client(raise_request_exception=False).post(reverse("resend_confirmation:request"), data)


def look():
    Client(raise_request_exception=False).get("/confirm/", {"token": SECRETS[2]})


def sign_up():
    start(ROWS[0])


def withdraw_and_note():
    engine.withdraw(ROWS[1])
    engine.note_confirmed(ROWS[0], ROWS[0].email)


def staff():
    browser = Client(raise_request_exception=False)
    browser.force_login(User.objects.get_or_create(is_superuser=True, is_staff=True)[0])
    data = {"action": "resend", "_selected_action": [ROWS[1].pk]}
    browser.post("/admin/resend_confirmation/confirmation/", data)
    browser.get("/admin/resend_confirmation/delivery/")


WORKS = [
    disown,
    ask_on_the_page,
    ask,
    ask_quietly,
    resend,
    engine.resolve,
    send_due,
    press,
    look,
    sign_up,
    withdraw_and_note,
    staff,
]


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_every_statement(work, secrets, reports, caplog):
    """If any statement fails, logs, mails and exceptions lack the address, payload and token."""
    caplog.set_level(logging.DEBUG)
    seen = []

    def hear(**given):
        seen.append(reported(sys.exc_info()[1]))

    got_request_exception.connect(hear)
    for number in range(100):
        # Django queries session and user before an admin view; those statements are not ours.
        failing = Failing(number, "resend_confirmation_" if work is staff else "")
        before: Any = connection.savepoint()
        try:
            with connection.execute_wrapper(failing):
                work()
        except DatabaseError as error:
            # Leave out this test's frame: its variables contain the secrets.
            frames: Any = error.__traceback__
            seen.append(reported(error.with_traceback(frames.tb_next)))
        connection.needs_rollback = False
        connection.savepoint_rollback(before)
        if not failing.has_failed:
            break
    got_request_exception.disconnect(hear)
    assert number
    text = "\n".join([*seen, reports(), caplog.text])
    assert "IntegrityError" in text
    assert [line for line in text.splitlines() if any(s in line for s in secrets)] == []


def test_a_command(secrets):
    """The error that ends a command does not show its input."""
    with connection.execute_wrapper(Failing(0)), pytest.raises(DatabaseError) as raised:
        call_command("resend_confirmation", "send", ADDRESS)
    assert [secret for secret in secrets if secret in reported_text(raised.value)] == []


def reported_text(error):
    """Return the traceback as Python prints it."""
    return "".join(traceback.format_exception(error))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own text")
def test_the_row_that_a_driver_quotes(pending, reports, caplog):
    """A NOT NULL violation (newer schema, old code) is logged by class, SQLSTATE and frames."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE resend_confirmation_delivery ADD newer int NOT NULL DEFAULT 0")
        cursor.execute("ALTER TABLE resend_confirmation_delivery ALTER newer DROP DEFAULT")
    ask()
    text = reports() + caplog.text
    assert "could not answer (IntegrityError from NotNullViolation [23502])" in text
    assert "psycopg.errors.NotNullViolation [23502]" in text
    assert "deliveries/outbox.py" in text
    assert not any(secret in text for secret in ("Failing row", ADDRESS, PAYLOAD))


def test_class_code_and_frames_are_logged(caplog):
    """For each exception in a chain or group, class, code and frames are logged, not the text."""
    try:
        try:
            raise ExceptionGroup("kaboom", [OSError(28, "kaboom"), KeyError("kaboom")])
        except ExceptionGroup as group:
            group.add_note("kaboom")
            raise RuntimeError("kaboom") from group
    except RuntimeError:
        failures.report("Ask %d failed", 7)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("resend_confirmation", "ERROR")
    assert record.getMessage() == (
        "Ask 7 failed (RuntimeError from ExceptionGroup from OSError [28] from KeyError)"
    )
    place = f'  File "{__file__}", line '
    lines = record.stack_info.splitlines()
    assert [line for line in lines if not line.startswith(place)] == [
        "builtins.RuntimeError",
        "builtins.ExceptionGroup",
        "builtins.OSError [28]",
        "builtins.KeyError",
    ]
    assert record.stack_info.count("in test_class_code_and_frames_are_logged") == 2
    assert "kaboom" not in caplog.text


def test_what_is_not_logged(caplog):
    """Nothing is logged if the host has disabled the level ERROR."""
    failures.logger.setLevel(logging.CRITICAL)
    try:
        raise RuntimeError("kaboom")
    except RuntimeError:
        failures.report("Ask %d failed", 7)
    finally:
        failures.logger.setLevel(logging.NOTSET)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ImportError("No module named 'shop'"), "ImportError: No module named 'shop'"),
        (ValueError("redis://:password@host"), "ValueError"),
    ],
    ids=repr,
)
def test_explanation(error, text):
    """The text of an error is only shown if it cannot contain a secret."""
    assert failures.explain(error) == text


def test_numbers_of_a_driver():
    """MariaDB's error number is kept, because retries depend on it."""
    error = IntegrityError(1062, "Duplicate entry 'ann@example.com'")
    error.__cause__ = DRIVER.IntegrityError(1062, "Duplicate entry")
    failures.censor(error)
    assert error.args == error.__cause__.args == (1062, failures.WITHHELD)


@pytest.mark.parametrize("module", ["settings", "mail"])
def test_checks(module, monkeypatch, secrets):
    """A check names the setting whose module cannot be loaded, without the error's text."""

    def quote(path):
        raise IntegrityError(f"Failing row contains ({SECRETS})")

    monkeypatch.setattr(f"resend_confirmation.checks.{module}.import_string", quote)
    found = [m.msg for m in run_checks() if str(m.id)[-4:] in {"E007", "E023"}]
    assert found
    ends = ("which cannot be imported: IntegrityError", "which cannot be loaded: IntegrityError")
    assert all(text.endswith(ends) for text in found)

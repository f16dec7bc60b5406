"""The admin, database rows, tasks and logs contain no tokens."""

import inspect
import json
import os
import socket
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, build_opener

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import models
from django.test import Client

from resend_confirmation import engine, tokens
from resend_confirmation.carriers import celery, tasks
from resend_confirmation.models import Confirmation, Delivery, Suppression
from tests.faults.conftest import wait_until
from tests.test_link import linked

ROOT = Path(__file__).resolve().parents[2]


# The admin


@pytest.fixture
def root(db):
    """A test client that is logged in as a superuser."""
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("root", "root@example.com"))
    return browser


def pages_of(model, browser):
    """Yield all pages of the admin for a model and its rows."""
    base = f"/admin/resend_confirmation/{model._meta.model_name}/"
    yield browser.get(base)
    for row in model.objects.all():
        for page in ("change", "history", "delete"):
            yield browser.get(f"{base}{row.pk}/{page}/")


def test_admin(root, pending):
    """No page of the admin, including the history, shows a token or selector."""
    token = linked(pending)
    confirmation = Confirmation.objects.get()
    root.post(
        "/admin/resend_confirmation/confirmation/",
        {"action": "confirm_by_hand", "_selected_action": [confirmation.pk]},
    )
    ours = [m for m in admin.site._registry if m._meta.app_label == "resend_confirmation"]
    assert {Confirmation, Delivery, Suppression} <= set(ours)
    shown = [page for model in ours for page in pages_of(model, root)]
    assert sum(page.status_code == HTTPStatus.OK for page in shown) >= 6
    secrets = [token, tokens.digest(token), confirmation.selector]
    for page in shown:
        assert not any(secret in page.content.decode() for secret in secrets)


@pytest.mark.parametrize("model", ["confirmation", "delivery", "requestrecord", "suppression"])
def test_search_of_the_admin(root, pending, model):
    """A search for a token, its digest or a selector finds nothing."""
    token = linked(pending)
    selector = Confirmation.objects.get().selector
    for term in (token, tokens.digest(token), selector, selector[:8]):
        page = root.get(f"/admin/resend_confirmation/{model}/", {"q": term})
        assert page.status_code == HTTPStatus.OK
        assert page.context["cl"].result_count == 0


def test_rows(pending):
    """No column of any row contains the token, neither before nor after its use."""
    token = linked(pending)
    for _ in range(2):
        for model in _models():
            assert token not in repr(list(model._default_manager.values()))
        engine.confirm(token)


def _models() -> list[type[models.Model]]:
    return [*apps.get_app_config("resend_confirmation").get_models(), get_user_model()]


# Tasks


@pytest.mark.parametrize("function", [celery.drain.run, tasks.drain.func])
def test_tasks(function):
    """A task has no arguments, so a broker or task table cannot reveal any data."""
    assert not inspect.signature(function).parameters


# The logs of a server


@pytest.fixture
def server(tmp_path):
    """Start a server with all logging; return its address, the tokens and the log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log, told = tmp_path / "log", tmp_path / "told"
    with log.open("w") as stderr, told.open("w") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.secrets.server", str(port)],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "TEST_DATABASE": "sqlite",
                "PYTHONUNBUFFERED": "1",
            },
            stdout=stdout,
            stderr=stderr,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: process.poll() is not None or listens(port), log.read_text)
            yield address, json.loads(told.read_text().splitlines()[0]), log
        finally:
            process.terminate()
            process.wait()


def listens(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def fetch(url, data=None):
    """Return the response's status; a redirect to another machine is not followed."""
    body = urlencode(data).encode() if data else None
    try:
        with build_opener().open(Request(url, body, headers={"Referer": url}), timeout=30) as got:
            return got.status
    except HTTPError as error:
        return error.code
    except URLError:
        # The host of the redirect does not exist. The redirect's URL is not confidential.
        return HTTPStatus.SEE_OTHER


@pytest.mark.server
@pytest.mark.django
def test_logs_of_a_server(server):
    """No log at DEBUG, including the access log, contains a token, even after an error."""
    address, made, log = server
    page, foreign = f"{address}/confirm/", "F" * tokens.LENGTH
    assert fetch(f"{page}?{urlencode({'token': made['good']})}") == 200
    assert fetch(f"{page}?a=1&{urlencode({'token': foreign})}") == 404
    assert fetch(f"{page}new/?{urlencode({'token': made['good']})}") == 405
    assert fetch(page, {"token": made["fails"]}) == 500
    assert fetch(page, {"token": foreign}) == 404
    assert fetch(page, {"token": made["good"]}) == HTTPStatus.SEE_OTHER
    assert fetch(f"{page}?{urlencode({'token': made['good']})}") == 200
    wait_until(lambda: log.read_text().count('"GET /confirm/') >= 3, log.read_text)
    text = log.read_text()
    assert '"GET /confirm/?token=... HTTP/1.1" 200' in text
    assert "UnexpectedError: RuntimeError" in text
    assert "THE HOST'S OWN" not in text
    assert "Internal Server Error: /confirm/" in text
    for token in (*made.values(), foreign):
        assert token not in text

"""System checks: each thing that can be wrong has an id of its own."""

import sys
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.urls import include, path

from resend_confirmation.dialects.base import DialectView

BASE = "https://site.example"

#: A URLconf that mounts nothing of ours.
urlpatterns: list = []


def without_dialects():
    """What W001 and W002 need: the ids that the test site's first client has at its dialects."""
    ours: dict[str, Any] = django_settings.RESEND_CONFIRMATION
    client = ours["CLIENTS"][0]
    return {"name": client["name"], "ids": client["ids"]}


@pytest.fixture
def ids(settings):
    """The ids of what the checks say of a value of the setting."""

    def run(**given):
        settings.RESEND_CONFIRMATION = {
            "BASE_URL": BASE,
            "CLIENTS": [{"name": "default"}],
            "CARRIER": "none",
            **given,
        }
        return [
            str(message.id).removeprefix("resend_confirmation.")
            for message in run_checks(tags=["resend_confirmation"])
        ]

    return run


def test_smallest_useful_setting(settings):
    """A BASE_URL and one client are enough."""
    settings.RESEND_CONFIRMATION = {"BASE_URL": BASE, "CLIENTS": [{"name": "default"}]}
    assert run_checks(tags=["resend_confirmation"]) == []


def test_e001_mistyped_key(ids):
    """E001: a key that does not exist, beside whatever else is wrong."""
    assert ids(BASEURL=BASE) == ["E001"]
    assert ids(BASEURL=BASE, BASE_URL="") == ["E001", "E003"]


def test_e002_wrong_value(ids):
    """E002: each value of the wrong kind."""
    assert ids(COOLDOWN="a minute") == ["E002"]
    assert ids(COOLDOWN="a minute", QUIET="acme") == ["E002", "E002"]


def test_e002_no_dict(settings):
    """E002: the setting is no dict."""
    settings.RESEND_CONFIRMATION = "https://site.example"
    found = run_checks(tags=["resend_confirmation"])
    assert [message.id for message in found] == ["resend_confirmation.E002"]


def test_e003_base_url(ids):
    """E003: without BASE_URL there is no link."""
    assert ids(BASE_URL="") == ["E003"]


def test_e003_and_e004_without_the_setting(settings):
    """A host that only installed the app is told of both things that it must write."""
    del settings.RESEND_CONFIRMATION
    found = run_checks(tags=["resend_confirmation"])
    assert [message.id for message in found] == [
        "resend_confirmation.E003",
        "resend_confirmation.E004",
    ]


def test_e004_no_clients(ids):
    """E004: without clients every request is refused."""
    assert ids(CLIENTS=[]) == ["E004"]


def test_e005_wrong_client(ids):
    """E005: each entry that is no client."""
    assert ids(CLIENTS=[{"name": "a"}, {}, {"name": "b", "id": 5}]) == ["E005", "E005"]


def test_e006_two_clients_of_a_name(ids):
    """E006: a stored row names its client, so names are unique."""
    assert ids(CLIENTS=[{"name": "a"}, {"name": "b"}, {"name": "a"}]) == ["E006"]


@pytest.mark.parametrize(
    "given",
    [
        {"ACCOUNTS": "nowhere.Store"},
        {"ACCOUNTS": "resend_confirmation.accounts.NoStore"},
        {"CARRIER": "pigeon"},
        {"CARRIER": "nowhere.Carrier"},
        {"AUTHORIZATION_CODE": "nowhere.code"},
        {"CLIENTS": "nowhere.clients"},
    ],
)
def test_e007_dotted_paths(ids, given):
    """E007: a dotted path that leads nowhere."""
    assert ids(**given) == ["E007"]


def test_e007_a_queue_that_is_not_there(ids, monkeypatch):
    """E007: a queue that the backend of tasks lacks is found here, not by the first message."""
    # Whoever imported it before had a queue.
    monkeypatch.delitem(sys.modules, "resend_confirmation.carriers.tasks", raising=False)
    monkeypatch.delattr("resend_confirmation.carriers.tasks", raising=False)
    assert ids(CARRIER="tasks", TASKS_QUEUE="nowhere") == ["E007"]
    assert ids(CARRIER="tasks", TASKS_QUEUE="default") == []


def test_e008_pages_not_mounted(ids, settings):
    """E008: without the confirm pages messages have no link."""
    settings.ROOT_URLCONF = "tests.test_checks"
    assert ids() == ["E008"]


def test_e008_mounted_anywhere(ids, settings):
    """Where the confirm pages are mounted is the host's choice."""
    settings.ROOT_URLCONF = "tests.test_checks"
    urlpatterns.append(path("a/b/", include("resend_confirmation.views")))
    try:
        assert ids() == []
    finally:
        urlpatterns.clear()


def test_w001_no_issuer_of_codes(ids, settings):
    """W001: a client of a dialect that hands out codes, without anybody to issue them."""
    client = without_dialects() | {"signing": "a secret"}
    assert ids(CLIENTS=[client]) == ["W001"]
    assert ids(CLIENTS=[client], AUTHORIZATION_CODE="secrets.token_hex") == []


def test_w002_no_key_to_sign_with(ids):
    """W002: a client of a dialect that hands out signed tokens, without a key to sign with."""
    client = without_dialects()
    assert ids(CLIENTS=[client], AUTHORIZATION_CODE="secrets.token_hex") == ["W002"]
    signing = client | {"signing": "a secret"}
    assert ids(CLIENTS=[signing], AUTHORIZATION_CODE="secrets.token_hex") == []


def test_clients_of_no_dialect(ids):
    """An id at a dialect that nobody mounted is no fault."""
    assert "acme" not in DialectView.by_name
    assert ids(CLIENTS=[{"name": "a", "ids": {"acme": 1}}]) == []


def test_clients_that_cannot_be_read_yet(ids):
    """A callable that fails, for want of its table say, does not stop the checks."""
    assert ids(CLIENTS="tests.test_checks.no_table_yet") == []


def no_table_yet():
    """What a host's callable does before its first migration."""
    raise RuntimeError("no such table")


def test_bound(settings):
    """``manage.py check`` runs the checks: a bad setting stops it."""
    settings.RESEND_CONFIRMATION = {"BASE_URL": "", "CLIENTS": [{"name": "default"}]}
    with pytest.raises(CommandError, match=r"\(resend_confirmation\.E003\)"):
        call_command("check")


def test_test_site_is_sound(capsys):
    """``manage.py check`` has nothing to say of the test site."""
    call_command("check")
    assert "no issues" in capsys.readouterr().out

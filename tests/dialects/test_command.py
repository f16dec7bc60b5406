"""``manage.py resend_confirmation send`` with clients and dialects."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resend_confirmation.models import Delivery
from tests.test_command import Ran, waiting

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.django_db


def test_client_of_the_confirmation():
    """A message is sent for the confirmation's client, unless ``--client`` names another."""
    waiting("one", client="arcade")
    waiting("two", client="arcade")
    waiting("three", client="of the past")
    Ran("send", "one", "three")
    Ran("send", "two", "--client", "kiosk", "--dialect", "strapi")
    Ran("send", "two", "--client", "game", "--dialect", "strapi")
    sent = Delivery.objects.order_by("pk").values_list("client", "dialect", "redirect")
    assert list(sent) == [("arcade", "", ""), ("game", "", ""), ("game", "strapi", "")]


def test_known_dialects_are_those_that_the_site_mounts():
    """The error about an unknown dialect lists those that the site mounts."""
    arguments = ["--skip-checks", "send", "pending", "--dialect", "strappy"]
    ran = subprocess.run(
        [sys.executable, "-m", "django", "resend_confirmation", *arguments],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr == (
        "CommandError: No dialect 'strappy' is mounted. Known: "
        "backendless, quiva, strapi, strapi-v4, xsolla-jwt, xsolla-oauth2.\n"
    )


def test_clients_of_the_confirmations():
    """In bulk, messages are sent for the confirmations' clients."""
    waiting("one", client="arcade")
    waiting("two", client="game")
    Ran("send", "--pending")
    sent = Delivery.objects.order_by("pk").values_list("client", "dialect", "redirect")
    assert list(sent) == [
        ("arcade", "", ""),
        ("game", "", ""),
    ]

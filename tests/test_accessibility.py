"""axe-core finds no violation on the package's pages: wide and narrow, light and dark."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib import admin
from django.core import mail
from django.test import Client
from django.utils import timezone
from selenium.webdriver.common.by import By

from resend_confirmation import engine, start
from resend_confirmation.courier import send_due
from resend_confirmation.limits import suppression
from resend_confirmation.models import (
    Confirmation,
    Cooldown,
    Delivery,
    RequestRecord,
    Run,
    Suppression,
)

from .accessibility import Axe
from .factories import PendingFactory, UserFactory, address_of
from .test_pages_in_chromium import heading, press

pytestmark = [
    pytest.mark.database,
    pytest.mark.chromium,
    pytest.mark.node,
    pytest.mark.django_db(transaction=True),
]

APP = "app://login.example"


@pytest.fixture
def axe(chromium, node_modules):
    return Axe(chromium, node_modules)


def link_for(user, **given):
    """Return the link in a new message to ``user``."""
    before = len(mail.outbox)
    start(user, **given)
    send_due()
    (link,) = re.findall(r"https?://\S+/confirm/\?\S+", str(mail.outbox[before].body))
    return link


def test_confirm_pages(axe, chromium, live_server, change):
    """No verdict's page has a violation."""
    client = {
        "name": "default",
        "redirects": [APP],
        "title": "The game",
        "accent": "#7c3aed",
        "support_url": "https://game.example/support",
    }
    change(BASE_URL=live_server.url, CLIENTS=[client], THROTTLE="5/h")

    def look(expected):
        assert heading(chromium) == expected
        axe.look(expected)

    link = link_for(PendingFactory.create(username="first"), redirect=APP)
    chromium.get(link)
    look("Confirm your e-mail address")
    press(chromium, "Confirm my address")
    look("Thank you")
    chromium.get(link)
    look("Already confirmed")

    link = link_for(PendingFactory.create(username="second"))
    Delivery.objects.update(link_expires_at=timezone.now() - timedelta(seconds=1))
    chromium.get(link)
    press(chromium, "Send me a new link")
    # It is too soon for another message, and the page says so.
    assert chromium.find_elements(By.CSS_SELECTOR, "[role=alert]")
    look("This link has expired")
    Cooldown.objects.all().delete()
    press(chromium, "Send me a new link")
    look("A new link is on its way")
    chromium.get(link)
    press(chromium, "This was not me")
    look("Thank you for telling us")

    chromium.get(f"{live_server.url}/confirm/?token=nothing")
    look("This link is not valid")
    chromium.find_element(By.NAME, "address").send_keys("pending@example.com")
    press(chromium, "Send me a new message")
    look("Check your inbox")
    assert axe.found == {}


#: A message is not a page: it has no landmarks.
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def test_message(axe, chromium, change, tmp_path):
    """The HTML part of a message has no violation of a standard."""
    look = {"title": "The game", "accent": "#fde047", "support_url": "https://game.example/help"}
    change(CLIENTS=[{"name": "default", **look}])
    link_for(PendingFactory.create(username="ann"))
    message: Any = mail.outbox[-1]
    ((html, _),) = message.alternatives
    file = tmp_path / "message.html"
    file.write_text(html)
    chromium.get(file.as_uri())
    axe.look("message", runOnly=STANDARDS)
    assert axe.found == {}


@pytest.fixture
def staff(chromium, live_server):
    """A function that opens a page of the admin as a superuser."""
    root = UserFactory.create(username="root", is_staff=True, is_superuser=True)
    session = Client()
    session.force_login(root)
    name = django_settings.SESSION_COOKIE_NAME
    chromium.get(f"{live_server.url}/confirm/style.css")
    chromium.add_cookie({"name": name, "value": session.cookies[name].value})

    def visit(path):
        chromium.get(f"{live_server.url}/admin/resend_confirmation/{path}")

    yield visit
    chromium.delete_all_cookies()


@pytest.fixture
def rows(live_server):
    """A row of each kind: pending, confirmed and withdrawn accounts, one of them suppressed."""
    now = timezone.now()
    ann, bob, cid = (
        Confirmation.objects.get(account=PendingFactory.create(username=name))
        for name in ("ann", "bob", "cid")
    )
    for state in ("sent", "delivered", "bounced", "complained", "queued"):
        Delivery.objects.create(
            confirmation=ann, state=state, asked_at=now, not_before=now, sent_at=now, ended_at=now
        )
    engine.confirm_by_hand(bob)
    engine.withdraw(cid, by_hand=True)
    suppression.suppress(address_of("ann@example.com"), Suppression.Why.BOUNCED, "550 5.1.1")
    Run.objects.create(name="august", started_at=now, queued=3)
    RequestRecord.objects.create(digest="0" * 32, asked_at=now, reason="unknown")
    return ann


#: Django's own: a search has only an icon for a label, links in the breadcrumbs are not underlined,
#: and columns of an inline table may have an empty head.
DJANGOS = ("#changelist-search", ".breadcrumbs", ".inline-group th:empty")


def test_admin_pages(axe, chromium, staff, rows):
    """No page of the admin has a violation of ours."""
    preview = "confirmation/preview/?client=game&language=en&code=on"
    paths = ["", "confirmation/overview/", preview, "suppression/add/"]
    for model in apps.get_app_config("resend_confirmation").get_models():
        if admin.site.is_registered(model):
            name = model._meta.model_name
            row = model._default_manager.earliest("pk")
            paths += [f"{name}/", f"{name}/{row.pk}/change/"]
    for path in paths:
        staff(path)
        axe.look(path, *DJANGOS)
    staff(f"confirmation/{rows.pk}/change/")
    press(chromium, "Withdraw")
    assert heading(chromium) == "Are you sure?"
    axe.look("the question", *DJANGOS)
    assert axe.found == {}

"""The list of suppressions in the admin, with the pending confirmations of their addresses."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from resend_confirmation import database, start
from resend_confirmation.admin import suppressions
from resend_confirmation.limits import suppression
from resend_confirmation.models import Confirmation, Suppression

from .factories import PendingFactory, UserFactory, address_of

SUPPRESSIONS = "/admin/resend_confirmation/suppression/"

pytestmark = [pytest.mark.database, pytest.mark.django, pytest.mark.django_db]


def staff(*permissions):
    """Return a test client that is logged in with these permissions."""
    user = UserFactory.create(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


def suppress(text):
    suppression.suppress(address_of(text), Suppression.Why.BOUNCED)


def shown(browser):
    """Return the contents of the column, from the newest suppression to the oldest."""
    html = browser.get(SUPPRESSIONS).content.decode()
    return re.findall(r'<td class="field-confirmation">(.*?)</td>', html)


def link(name, address):
    pk = Confirmation.objects.get(account__username=name).pk
    return f'<a href="/admin/resend_confirmation/confirmation/{pk}/change/">{address}</a>'


def test_pending_confirmations_are_linked(clock):
    """Pending confirmations of the address in any spelling are linked, the newest first."""
    suppress("Ann@example.com")
    clock.move(seconds=1)
    suppress("done@example.com")
    PendingFactory.create(username="ann")
    PendingFactory.create(username="done")
    Confirmation.objects.filter(account__username="done").update(state="confirmed")
    clock.move(seconds=1)
    start(UserFactory.create(username="also", email="ANN@example.com"), send=False)
    both = f"{link('also', 'ANN@example.com')}, {link('ann', 'ann@example.com')}"
    browser = staff("view_suppression", "view_confirmation")
    assert shown(browser) == ["-", both]


def test_the_permission_to_view_confirmations(pending):
    """Without the permission to view confirmations the column is empty."""
    suppress("pending@example.com")
    assert shown(staff("view_suppression")) == ["-"]


def test_rows_of_older_versions(pending):
    """A row without the fingerprint is shown without a confirmation."""
    digest = address_of("pending@example.com").digest("suppression")
    Suppression.objects.create(digest=digest, why="bounced", since=timezone.now())
    assert shown(staff("view_suppression", "view_confirmation")) == ["-"]


def test_a_new_key(pending, settings):
    """The fingerprint is readable under a former key too, and only with it."""
    suppress("pending@example.com")
    assert Confirmation.objects.get().fingerprint != Suppression.objects.get().sealed
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another key"
    assert shown(staff("view_suppression", "view_confirmation")) == ["-"]
    settings.SECRET_KEY_FALLBACKS = [former]
    linked = link("pending", "pending@example.com")
    assert shown(staff("view_suppression", "view_confirmation")) == [linked]


def test_one_query_for_a_page(monkeypatch):
    """Any number of rows takes the same number of queries, and a page has a limit."""
    monkeypatch.setattr(suppressions, "SHOWN", 3)
    browser, counts = staff("view_suppression", "view_confirmation"), []
    for name in ("ann", "ben", "cid", "dan"):
        suppress(f"{name}@example.com")
        PendingFactory.create(username=name)
        database.now()
        with CaptureQueriesContext(connection) as queries:
            cells = shown(browser)
        counts.append(len(queries))
    assert counts[0] == counts[-1]
    assert [cell == "-" for cell in cells].count(True) == 1

"""The overview in the admin: its numbers, marks and links, and who may see it."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import include, path

from resend_confirmation.admin import ConfirmationAdmin, DeliveryAdmin
from resend_confirmation.engine import counting
from resend_confirmation.models import Confirmation, Delivery

from .factories import PendingFactory
from .test_admin import CONFIRMATIONS, DELIVERIES, staff

OVERVIEW = "/admin/resend_confirmation/confirmation/overview/"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

pytestmark = [pytest.mark.database, pytest.mark.django, pytest.mark.django_db]


@pytest.fixture
def viewer(clock):
    """A test client that is logged in with the permissions that the page needs."""
    return staff("view_confirmation", "view_delivery")


def delivery(clock, state="sent", age=timedelta(), **values):
    """Create a delivery that was requested ``age`` ago."""
    at = clock.now - age
    values = {"asked_at": at, "not_before": at, "client": "game", "dialect": "some", **values}
    return Delivery.objects.create(state=state, **values)


def confirmed(clock, after, **values):
    """Create a delivery that was sent an hour ago, and confirmed ``after`` that."""
    row = Confirmation.objects.get(account=PendingFactory.create())
    at = clock.now - HOUR
    delivery(clock, "delivered", HOUR, confirmation=row, sent_at=at, **values)
    changes = {"state": "confirmed", "confirmed_at": at + after, "last_sent_at": at}
    Confirmation.objects.filter(pk=row.pk).update(**changes)


def words(html):
    """Return the text of some HTML."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).replace("\N{NO-BREAK SPACE}", " ").split())


def tables(response):
    """Return the texts of the cells of each table of the page."""
    page = response.content.decode().partition('<div id="content-main">')[2]
    return [
        [
            [words(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)]
            for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        ]
        for table in re.findall(r"<table.*?</table>", page, re.DOTALL)
    ]


def test_numbers(viewer, clock):
    """The funnel of three periods, and the chosen one by client and by dialect."""
    for minutes in (1, 30):
        confirmed(clock, minutes * timedelta(minutes=1))
    delivery(clock, "ignored", client="arcade", dialect="other")
    delivery(clock, "sent", dialect="")
    delivery(clock, "bounced", 3 * DAY)
    delivery(clock, "complained", 20 * DAY)
    for _ in range(8):
        counting.advance()
    queue, funnel, clients, dialects = tables(viewer.get(OVERVIEW))
    assert queue == [
        ["Messages waiting", "0"],
        ["Requests not resolved yet", "0"],
        ["Oldest message that is due, since", "-"],
        ["Pause", "Messages are being sent."],
    ]
    assert funnel == [
        ["", "Last 24 hours", "Last 7 days", "Last 30 days"],
        ["Requested", "4", "5", "6"],
        ["Sent", "3 (75 %)", "4 (80 %)", "5 (83 %)"],
        ["Delivered", "2 (67 %)", "2 (50 %)", "3 (60 %)"],
        ["Confirmed", "2 (67 %)", "2 (50 %)", "2 (40 %)"],
        ["Bounced", "0", "1 (25.00 %) above 2 %", "1 (20.00 %) above 2 %"],
        ["Reported as spam", "0", "0", "1 (20.00 %) above 0.1 %"],
        ["Confirmed within 5 minutes", "1 (50 %)", "1 (50 %)", "1 (50 %)"],
        ["Confirmed within an hour", "2 (100 %)", "2 (100 %)", "2 (100 %)"],
        ["Confirmed within a day", "2 (100 %)", "2 (100 %)", "2 (100 %)"],
    ]
    header = ["", "Requested", "Sent", "Delivered", "Confirmed", "Bounced", "Reported as spam"]
    assert clients == [
        header,
        ["game", "3", "3 (100 %)", "2 (67 %)", "2 (67 %)", "0", "0"],
        ["arcade", "1", "0", "0", "0", "0", "0"],
    ]
    assert dialects == [
        header,
        ["some", "2", "2 (100 %)", "2 (100 %)", "2 (100 %)", "0", "0"],
        ["none", "1", "1 (100 %)", "0", "0", "0", "0"],
        ["other", "1", "0", "0", "0", "0", "0"],
    ]


def test_period(viewer, clock):
    """The query string chooses the period of the chart and the tables; others are ignored."""
    delivery(clock, "bounced", 3 * DAY)
    for _ in range(8):
        counting.advance()
    for query, expected in [("7d", "1"), ("24h", "0"), ("1y", "0")]:
        response = viewer.get(OVERVIEW, {"period": query})
        assert f"Requested: {expected}. Sent: {expected}." in response.content.decode()
    assert tables(viewer.get(OVERVIEW))[2][1:] == [["No requests."]]


@pytest.mark.parametrize(
    ("bounced", "complained", "sent", "marks"),
    [(2, 0, 98, []), (3, 0, 97, ["above 2 %"]), (0, 1, 999, []), (0, 1, 998, ["above 0.1 %"])],
)
def test_marks(viewer, clock, bounced, complained, sent, marks):
    """A rate is marked when it passes the limit, not when it reaches it."""
    for state, count in [("bounced", bounced), ("complained", complained), ("sent", sent)]:
        at = clock.now - DAY
        row = {"state": state, "asked_at": at, "not_before": at}
        Delivery.objects.bulk_create(Delivery(**row) for _ in range(count))
    cells = [cell for line in tables(viewer.get(OVERVIEW))[1] for cell in line[1:2]]
    assert [each for cell in cells for each in re.findall("above.*", cell)] == marks


def test_chart(viewer, clock):
    """The chart has a title and a description with the numbers, and bars by their share."""
    delivery(clock, "delivered")
    for _ in range(3):
        delivery(clock, "ignored")
    html = viewer.get(OVERVIEW).content.decode()
    (chart,) = re.findall(r'<svg class="resend-chart".*?</svg>', html, re.DOTALL)
    assert 'role="img" aria-labelledby="resend-chart-title resend-chart-text"' in chart
    (title,) = re.findall(r'<title id="resend-chart-title">(.*?)</title>', chart)
    assert title == "From the request to the confirmation, Last 24 hours"
    (text,) = re.findall(r'<desc id="resend-chart-text">(.*?)</desc>', chart)
    assert text.strip() == (
        "Requested: 4. Sent: 1. Delivered: 1. Confirmed: 0. Bounced: 0. Reported as spam: 0."
    )
    widths = re.findall(r'class="resend-(?:stage|fault)".*? width="([\d.]+)"', chart)
    assert widths == ["320.0", "80.0", "80.0", "0.0", "0.0", "0.0"]
    assert "<script" not in chart


@override_settings(LANGUAGE_CODE="de", USE_THOUSAND_SEPARATOR=True)
def test_localized(viewer, clock):
    """Numbers are localized, and sizes of the chart are not."""
    for state in ("sent", "bounced", "ignored"):
        delivery(clock, state)
    html = viewer.get(OVERVIEW).content.decode()
    assert "50,00\N{NO-BREAK SPACE}%" in html
    assert 'width="213.3"' in html


def test_queue_and_pause(viewer, clock):
    """The page shows what waits, since when, and why sending is paused."""
    delivery(clock, "asked")
    delivery(clock, "queued", HOUR)
    until = clock.now + timedelta(seconds=30)
    error = {"error_class": "SMTPAuthenticationError", "error_code": "535"}
    text = (
        "Sending is paused until Jan. 1, 2030, 6 a.m.: the e-mail settings do not work "
        "(SMTPAuthenticationError 535)."
    )
    delivery(clock, "queued", not_before=until, reason="configuration", **error)
    assert tables(viewer.get(OVERVIEW))[0] == [
        ["Messages waiting", "2"],
        ["Requests not resolved yet", "1"],
        ["Oldest message that is due, since", "Jan. 1, 2030, 5 a.m. CST"],
        ["Pause", text],
    ]


def test_without_reports(viewer, clock):
    """Without a provider's reports the page says that there are none."""
    text = "No mail provider has reported deliveries, bounces or spam."
    delivery(clock, "sent")
    assert text in viewer.get(OVERVIEW).content.decode()
    delivery(clock, "delivered")
    assert text not in viewer.get(OVERVIEW).content.decode()


@pytest.mark.parametrize("names", [[], ["view_confirmation"], ["view_delivery"]])
def test_permission(names):
    """Staff need the permission to view both lists, for the page and for its link."""
    browser = staff(*names)
    assert browser.get(OVERVIEW).status_code == 403
    for page in (CONFIRMATIONS, DELIVERIES, "/admin/resend_confirmation/"):
        assert OVERVIEW not in browser.get(page).content.decode()


def test_anonymous(client):
    """Others are sent to the log-in page."""
    response = client.get(OVERVIEW)
    assert response.status_code == 302
    assert response.url.startswith("/admin/login/")


@pytest.mark.parametrize("page", [CONFIRMATIONS, DELIVERIES, "/admin/resend_confirmation/"])
def test_links(viewer, page):
    """The lists and the page of the app link to the overview."""
    assert f'href="{OVERVIEW}"' in viewer.get(page).content.decode()


def test_statements(viewer, clock, monkeypatch):
    """The page takes the same number of statements for any number of rows, counted or not."""
    totals = []
    for count in (1, 20):
        for number in range(count):
            delivery(clock, age=number * 2 * HOUR, client=f"client{number}")
        for few in (10_000, -1):
            monkeypatch.setattr(counting, "FEW", few)
            counting.advance()
            with CaptureQueriesContext(connection) as queries:
                assert viewer.get(OVERVIEW).status_code == 200
            totals.append(len(queries))
    assert totals[:2] == totals[2:]


class Office(admin.AdminSite):
    """A site's admin."""


office = Office(name="office")
office.register(Confirmation, ConfirmationAdmin)
office.register(Delivery, DeliveryAdmin)
urlpatterns = [path("office/", office.urls), path("", include("tests.urls"))]


@pytest.mark.urls(__name__)
def test_another_admin(viewer):
    """The page and its links also work in a site's admin."""
    url = "/office/resend_confirmation/confirmation/overview/"
    for page in ("/office/resend_confirmation/", "/office/resend_confirmation/delivery/"):
        assert f'href="{url}"' in viewer.get(page).content.decode()
    html = viewer.get(url).content.decode()
    assert 'href="/office/resend_confirmation/"' in html
    assert "/admin/" not in html.replace("/static/admin/", "")

"""The cells of the admin's lists: badges, times with their zone, and the newest message."""

import re
from datetime import UTC, datetime

import pytest

from resend_confirmation.models import Confirmation, Delivery, Suppression

from .factories import PendingFactory
from .test_admin import CONFIRMATIONS, DELIVERIES, SUPPRESSIONS, staff

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)

pytestmark = [pytest.mark.django, pytest.mark.django_db]


@pytest.fixture
def root():
    """A test client that is logged in as a superuser."""
    return staff(username="root", is_superuser=True)


def cell(response, name):
    """Return the contents of a column's only cell."""
    (found,) = re.findall(rf'<t[hd] class="field-{name}">(.*?)</t[hd]>', response.content.decode())
    return found


@pytest.mark.parametrize(
    ("state", "badge"),
    [
        ("pending", '<span class="resend-badge wait">pending</span>'),
        ("confirmed", '<span class="resend-badge good">confirmed</span>'),
        ("withdrawn", '<span class="resend-badge ">withdrawn</span>'),
    ],
)
def test_state(root, state, badge):
    """The state of a confirmation is a text with a colour."""
    PendingFactory.create()
    Confirmation.objects.update(state=state)
    assert cell(root.get(CONFIRMATIONS), "state") == badge


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"state": "sent"}, '<span class="resend-badge good">sent</span>'),
        (
            {"state": "ignored", "reason": "confirmed"},
            '<span class="resend-badge ">ignored</span> already confirmed',
        ),
        (
            {"state": "failed", "error_class": "Error", "error_code": "<550>"},
            '<span class="resend-badge bad">failed</span> (Error &lt;550&gt;)',
        ),
        (
            {"state": "queued", "reason": "invalid", "error_code": "421"},
            '<span class="resend-badge wait">queued</span> not a valid address or user name (421)',
        ),
    ],
)
def test_state_of_a_delivery(root, values, expected):
    """The state of a delivery has its reason and its error."""
    Delivery.objects.create(asked_at=NOON, not_before=NOON, **values)
    assert cell(root.get(DELIVERIES), "state") == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("America/Chicago", "July 1, 2026, 7 a.m. CDT"),
        ("Europe/Berlin", "July 1, 2026, 2 p.m. CEST"),
        ("America/Sao_Paulo", "July 1, 2026, 9 a.m. -03"),
    ],
)
def test_zone(root, settings, zone, expected):
    """Times have their zone, in each list."""
    settings.TIME_ZONE = zone
    PendingFactory.create()
    Confirmation.objects.update(requested_at=NOON)
    Delivery.objects.create(state="sent", asked_at=NOON, not_before=NOON)
    Suppression.objects.create(digest="x", why="bounced", since=NOON)
    assert cell(root.get(CONFIRMATIONS), "requested_at") == expected
    response = root.get(DELIVERIES)
    assert f">{expected}</a>" in cell(response, "asked_at")
    assert cell(response, "sent_at") == "-"
    assert cell(root.get(SUPPRESSIONS), "since") == expected


def test_without_zones(root, settings):
    """Without time zones, times have none."""
    settings.USE_TZ = False
    Delivery.objects.create(
        state="sent", asked_at=NOON.replace(tzinfo=None), not_before=NOON.replace(tzinfo=None)
    )
    assert ">July 1, 2026, noon</a>" in cell(root.get(DELIVERIES), "asked_at")


@pytest.mark.parametrize(
    ("state", "sent_at", "expected"),
    [
        ("", None, "No message was sent"),
        ("sent", NOON, "Sent on July 1, 2026, 7 a.m. CDT"),
        ("delivered", NOON, "Sent on July 1, 2026, 7 a.m. CDT, and delivered"),
        ("bounced", NOON, "Sent on July 1, 2026, 7 a.m. CDT, but it bounced"),
        ("bounced", None, "Sent on -, but it bounced"),
        ("complained", NOON, "Sent on July 1, 2026, 7 a.m. CDT, and reported as spam"),
        ("failed", None, "It could not be sent"),
        ("abandoned", None, "It was not sent, since it was no longer needed"),
        ("suppressed", NOON, "It was not sent, since the address is suppressed"),
        ("superseded", NOON, "It was replaced by a newer message"),
        ("unknown", NOON, "It may have been sent"),
        ("ignored", None, "ignored"),
    ],
)
def test_last_delivery(root, state, sent_at, expected):
    """A sentence says what became of the newest message of a confirmation."""
    PendingFactory.create()
    Confirmation.objects.update(last_delivery_state=state, last_sent_at=sent_at)
    assert cell(root.get(CONFIRMATIONS), "last_message") == expected

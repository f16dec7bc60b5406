"""The admin's pages in Chromium: their widths, and the contrast of what we colour."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db.models import F
from django.test import Client
from django.utils import timezone

from resend_confirmation import start
from resend_confirmation.limits import suppression
from resend_confirmation.models import Confirmation, Delivery, Run, Suppression
from resend_confirmation.outcomes import DeliveryState, Reason, RunAction

from .factories import UserFactory, address_of

pytestmark = [pytest.mark.database, pytest.mark.chromium, pytest.mark.django_db(transaction=True)]

ADMIN = "/admin/resend_confirmation"
OVERVIEW = f"{ADMIN}/confirmation/overview/"
LISTS = [f"{ADMIN}/{name}/" for name in ("confirmation", "delivery", "run", "suppression")]
THEMES = ["light", "dark"]
LONG_WORD = "w" * 100


@pytest.fixture
def rows(db):
    """Rows with the longest values, in each state."""
    now = timezone.now()
    name = "a" * 64
    user = UserFactory.create(username="u" * 150, email=f"{name}@{'b' * 60}.{'c' * 60}.example")
    confirmation = start(user, client="", send=False)
    long = {"client": LONG_WORD, "asked_at": now, "not_before": now, "sent_at": now}
    error = {"error_class": "E" * 100, "error_code": "5" * 32, "ended_at": now}
    ids = {"message_id": f"<{'m' * 250}>", "provider_id": "p" * 255, "dialect": "d" * 50}
    for state in DeliveryState:
        reason = Reason.CONFIGURATION
        Delivery.objects.create(
            confirmation=confirmation, state=state, reason=reason, **long, **error, **ids
        )
    for ending in ("complained", "suppressed", "abandoned"):
        start(UserFactory.create(username=f"{ending}{'u' * 99}"), client="", send=False)
        newest = {"last_delivery_state": ending, "last_sent_at": now}
        Confirmation.objects.filter(last_delivery_state="").update(client=LONG_WORD, **newest)
    address = address_of(user.email)
    suppression.suppress(address, Suppression.Why.COMPLAINED)
    Suppression.objects.update(detail="d" * 200)
    Run.objects.create(
        name="r" * 64,
        action=RunAction.RESEND,
        user=user,
        started_at=now,
        cancelled_at=now,
        size=1_000_000,
        position=1_000_000,
        done=1_000_000,
        queued=1_000_000,
    )
    return confirmation


@pytest.fixture
def site(chromium, live_server, rows):
    """Log a member of staff in, and return a function that opens a page."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root", "root@example.com"))
    chromium.get(f"{live_server.url}/admin/login/")
    session = client.cookies["sessionid"].value
    chromium.add_cookie({"name": "sessionid", "value": session, "path": "/"})

    def open_page(path, width=1280, theme="light"):
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = [{"name": "prefers-color-scheme", "value": theme}]
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        chromium.get(live_server.url + path)
        return chromium

    yield open_page
    chromium.delete_all_cookies()
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


#: By how much the page is wider than the window, and each table wider than what it is in.
WIDTHS = """
    const tables = [...document.querySelectorAll("#content-main table")];
    const parents = tables.map(table => table.parentElement.closest("div, fieldset, section"));
    return [
        Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth),
        ...tables.map((table, i) => Math.max(0, table.offsetWidth - parents[i].clientWidth)),
    ];
"""


@pytest.mark.parametrize("language", ["en-us", "de", "ar", "zh-hans"])
def test_lists_fit(site, settings, language):
    """Each list fits 1,280 pixels, also with the longest values."""
    settings.LANGUAGE_CODE = language
    for page in LISTS:
        assert site(page).execute_script(WIDTHS) == [0, 0], page


def test_history_fits(site, rows):
    """The deliveries on the page of a confirmation fit 1,280 pixels."""
    page = f"{ADMIN}/confirmation/{rows.pk}/change/"
    assert site(page).execute_script(WIDTHS) == [0, 0]


#: The parts of the page that the text of the sentence overlaps.
OVERLAPS = """
    const range = document.createRange();
    range.selectNodeContents(document.querySelector(".explanation p"));
    const lines = [...range.getClientRects()];
    return [...document.querySelectorAll(".object-tools, .submit-row, fieldset")]
        .filter(part => {
            const box = part.getBoundingClientRect();
            return lines.some(line => line.right > box.left && line.left < box.right
                && line.bottom > box.top && line.top < box.bottom);
        }).map(part => part.className);
"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("language", ["en-us", "he"])
def test_sentence_overlaps_nothing(site, rows, settings, width, language):
    """The sentence above a confirmation overlaps neither the buttons nor the fields."""
    settings.LANGUAGE_CODE = language
    reply = "550 5.1.1" + 13 * " No such user!"
    Delivery.objects.update(state=DeliveryState.BOUNCED, error_text=reply)
    page = site(f"{ADMIN}/confirmation/{rows.pk}/change/", width)
    assert page.execute_script(OVERLAPS) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_overview_fits(site, width):
    """The overview fits a desktop and a phone; only tables of clients scroll on a phone."""
    page, queue, funnel, *_ = site(OVERVIEW, width).execute_script(WIDTHS)
    assert (page, queue, funnel) == (0, 0, 0)


#: The contrasts of the texts and shapes with our classes, against what is behind them.
CONTRASTS = """
    const canvas = document.createElement("canvas").getContext("2d");
    const rgba = color => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const light = color => [...rgba(color)].slice(0, 3).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        while (element && rgba(getComputedStyle(element).backgroundColor)[3] < 255) {
            element = element.parentElement;
        }
        return getComputedStyle(element || document.body).backgroundColor;
    };
    const texts = ".resend-badge, .resend-mark, .resend-share, .resend-periods a";
    const shapes = ".resend-chart text, .resend-chart rect";
    return [...document.querySelectorAll(`${texts}, ${shapes}`)].map(element => {
        const style = getComputedStyle(element);
        const color = element.closest("svg") ? style.fill : style.color;
        const [most, least] = [light(color), light(behind(element))].sort((a, b) => b - a);
        return [element.getAttribute("class") || element.tagName, (most + 0.05) / (least + 0.05)];
    });
"""


@pytest.mark.parametrize("theme", THEMES)
def test_contrast(site, theme):
    """Texts have a contrast of 4.5 to 1 and bars of 3 to 1, in both themes."""
    Delivery.objects.update(asked_at=F("asked_at") - timedelta(minutes=1))
    pages = {page: site(page, theme=theme).execute_script(CONTRASTS) for page in [*LISTS, OVERVIEW]}
    assert len(pages[LISTS[1]]) == len(DeliveryState)
    assert len(pages[OVERVIEW]) > 20
    for page, found in pages.items():
        for name, contrast in found:
            if name != "resend-rail":
                is_bar = re.fullmatch("resend-(stage|fault)", name)
                assert contrast >= (3 if is_bar else 4.5), (page, name)

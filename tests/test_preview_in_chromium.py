"""The admin's preview of the message in Chromium."""

import pytest
from django.conf import settings as django_settings
from django.test import Client
from selenium.webdriver.common.by import By

from .factories import UserFactory

pytestmark = [pytest.mark.database, pytest.mark.chromium, pytest.mark.django_db(transaction=True)]

PREVIEW = "/admin/resend_confirmation/confirmation/preview/?client=game&language=en&code=on"


@pytest.fixture
def browser(chromium, live_server):
    """The browser, logged in as a superuser."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    name = django_settings.SESSION_COOKIE_NAME
    chromium.get(f"{live_server.url}/confirm/style.css")
    chromium.add_cookie({"name": name, "value": client.cookies[name].value})
    chromium.get_log("browser")
    yield chromium
    chromium.delete_all_cookies()
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("preferred", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_frames(browser, live_server, preferred, width, tmp_path):
    """Both schemes are shown whichever the browser prefers, and the page fits a phone."""
    features = [{"name": "prefers-color-scheme", "value": preferred}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 1400, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(f"{live_server.url}{PREVIEW}")
    browser.save_screenshot(str(tmp_path / "preview.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    colours = []
    for frame in browser.find_elements(By.TAG_NAME, "iframe"):
        browser.switch_to.frame(frame)
        body = browser.find_element(By.TAG_NAME, "body")
        assert "481516" in body.text
        colours.append(body.value_of_css_property("background-color"))
        browser.switch_to.default_content()
    assert colours == ["rgba(243, 244, 246, 1)", "rgba(18, 18, 20, 1)"]
    complaints = [entry["message"] for entry in browser.get_log("browser")]
    assert [text for text in complaints if "/favicon.ico" not in text] == []

"""The HTML part of a message in Chromium: both colour schemes, both directions, small screens."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.core import mail
from selenium.webdriver.common.by import By

from resend_confirmation import accounts, start
from resend_confirmation.courier import message
from resend_confirmation.models import Delivery

from .factories import address_of

pytestmark = [pytest.mark.chromium, pytest.mark.django_db]

SHOP = {
    "name": "shop",
    "title": "Example Shop",
    "support_url": "https://shop.example/help",
    "accent": "#facc15",
}

#: The contrast of each text with the first background behind it.
CONTRASTS = """
const light = colour => {
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(part => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const background = element => {
  const colour = getComputedStyle(element).backgroundColor;
  return colour === "rgba(0, 0, 0, 0)" ? background(element.parentElement) : colour;
};
return [...document.querySelectorAll("p, h1, a, bdi")].map(element => {
  const pair = [light(getComputedStyle(element).color), light(background(element))];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
});
"""


@dataclass
class Letter:
    """A message in the browser."""

    browser: Any
    html: str

    def show(self, scheme, width):
        """Open the message in a colour scheme, in a window of a width."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.browser.get(f"data:text/html;charset=utf-8,{quote(self.html)}")
        return self.browser


@pytest.fixture
def letter(chromium, pending, change):
    """The message of a shop, with a code."""
    change(CLIENTS=[SHOP])
    start(pending, client="shop")
    delivery: Any = Delivery.objects.get()
    delivery.link_expires_at = delivery.asked_at
    (account,) = accounts.store().find(address_of(pending.email))
    written: Any = message.write(delivery, delivery.confirmation, account, "x" * 43, "481516")
    ((html, _),) = written.alternatives
    yield Letter(chromium, html)
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert mail.outbox == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    ("scheme", "page", "card"),
    [
        ("light", "rgba(243, 244, 246, 1)", "rgba(255, 255, 255, 1)"),
        ("dark", "rgba(18, 18, 20, 1)", "rgba(28, 28, 30, 1)"),
    ],
)
def test_schemes(letter, scheme, page, card, width, tmp_path):
    """Texts can be read in light and dark; the message is at most 560 pixels wide."""
    browser = letter.show(scheme, width)
    browser.save_screenshot(str(tmp_path / "message.png"))
    colour = "background-color"
    assert browser.find_element(By.TAG_NAME, "body").value_of_css_property(colour) == page
    (found,) = browser.find_elements(By.CLASS_NAME, "card")
    assert found.value_of_css_property(colour) == card
    assert found.size["width"] == min(560, width - 24)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    contrasts = browser.execute_script(CONTRASTS)
    assert len(contrasts) >= 12
    assert min(contrasts) >= 4.5


def test_code(letter):
    """A click selects the whole code."""
    browser = letter.show("light", 390)
    browser.find_element(By.XPATH, "//bdi[text() = '481516']").click()
    assert browser.execute_script("return getSelection().toString().trim()") == "481516"


def test_hidden_line(letter):
    """The line for the list of messages is not shown."""
    browser = letter.show("light", 390)
    text = browser.find_element(By.TAG_NAME, "body").text
    assert text.startswith("Example Shop\nConfirm your e-mail address\n")

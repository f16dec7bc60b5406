"""The message and the page of its link in every language, in Chromium on a phone."""

import re
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone, translation
from django.utils.formats import date_format

from resend_confirmation import start
from resend_confirmation.courier import Tally, send_due
from resend_confirmation.engine.explanation import Explanation, Kind
from resend_confirmation.engine.sentences import sentence

from .catalogues import PLURALS, marked
from .factories import UserFactory

pytestmark = [pytest.mark.database, pytest.mark.chromium, pytest.mark.django_db(transaction=True)]

LANGUAGES = ["en", *map(translation.to_language, PLURALS)]

#: Return what the document looks like, and for each piece that it has, whether the characters
#: stand from left to right.
LOOK = """
const look = {
  language: document.documentElement.lang,
  direction: getComputedStyle(document.body).direction,
  width: document.documentElement.scrollWidth,
  text: document.body.innerText,
  pieces: {},
};
const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (nodes.nextNode()) {
  const node = nodes.currentNode;
  for (const [name, piece] of Object.entries(arguments[0])) {
    const at = node.data.indexOf(piece);
    if (at < 0) continue;
    look.pieces[name] ??= true;
    let left = -1, top = -1;
    for (let index = at; index < at + piece.length; index++) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + 1);
      const box = range.getBoundingClientRect();
      if (box.top === top && box.left < left) look.pieces[name] = false;
      [left, top] = [box.left, box.top];
    }
  }
}
return look;
"""

PIECES = {"site": "Shop!", "name": "l*", "zone": "+03", "address": "l*@example.com"}


def english():
    """Return the parts of the English texts that have several words."""
    texts = [text for message in marked() if message.id for text in forms(message.id)]
    parts = [part for text in texts for part in re.split(r"%\(\w+\)[sd]", text)]
    return [part for part in parts if len(part.split()) > 2]


def forms(text):
    return [text] if isinstance(text, str) else text


@pytest.fixture
def opened(chromium, live_server, settings, change, tmp_path):
    """Return a function that opens the message and its page in a language, light and dark."""
    # A zone whose name is a number, for which other characters decide about the direction.
    settings.TIME_ZONE = "Asia/Riyadh"
    change(BASE_URL=live_server.url, SITE_NAME="Shop!")
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 1000, "deviceScaleFactor": 1, "mobile": False},
    )

    def opened(language):
        settings.LANGUAGES = [(code, code) for code in LANGUAGES]
        user = UserFactory.create(username="li", email="li@example.com")
        start(user, language=language, time_zone="Asia/Riyadh")
        assert send_due() == Tally(sent=1)
        sent: Any = mail.outbox[-1]
        ((html, _),) = sent.alternatives
        (link,) = re.findall(r"http://\S+/confirm/\?\S+", sent.body)
        file = tmp_path / "message.html"
        file.write_text(html, "utf-8")
        for name, address in [("message", file.as_uri()), ("page", link)]:
            for scheme in ["light", "dark"]:
                chromium.execute_cdp_cmd(
                    "Emulation.setEmulatedMedia",
                    {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
                )
                chromium.get(address)
                look = chromium.execute_script(LOOK, {**PIECES, "link": link})
                chromium.save_screenshot(str(tmp_path / f"{name}-{scheme}-{language}.png"))
                yield name, scheme, look

    return opened


@pytest.mark.parametrize("language", LANGUAGES)
def test_language(language, opened):
    """Message and page are in the language and its direction, and fit a phone."""
    untranslated = english()
    looks = list(opened(language))
    assert len(looks) == 4
    for name, scheme, look in looks:
        assert look["language"] == language
        assert look["direction"] == ("rtl" if language in {"ar", "he"} else "ltr")
        assert look["width"] == 390, (name, scheme)
        found = [part for part in untranslated if part in look["text"]]
        assert bool(found) == (language == "en"), found


@pytest.mark.parametrize("language", ["ar", "he"])
def test_latin_pieces(language, opened):
    """In texts from right to left, names, zones and links are from left to right."""
    for name, _, look in opened(language):
        last = "link" if name == "message" else "address"
        assert look["pieces"] == {"site": True, "name": True, "zone": True, last: True}


@pytest.mark.parametrize("language", ["ar", "he"])
def test_latin_reply(language, chromium, tmp_path):
    """In a sentence from right to left, a mail server's reply is from left to right."""
    reply = "550 5.1.1 No such user!"
    file = tmp_path / "sentence.html"
    with translation.override(language):
        text = sentence(Explanation(Kind.BOUNCED, timezone.now(), reply), date_format)
    file.write_text(f'<meta charset="utf-8"><body dir="rtl">{text}', "utf-8")
    chromium.get(file.as_uri())
    assert chromium.execute_script(LOOK, {"reply": reply})["pieces"] == {"reply": True}

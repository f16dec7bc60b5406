"""On any host: each vendor's answers to the byte, and a message whose link opens and confirms."""

import re
from dataclasses import replace
from html import unescape
from urllib.parse import urljoin

import pytest
from django.conf import settings

from resend_confirmation.models import Confirmation
from resend_confirmation.outcomes import ConfirmationState, Outcome
from tests.dialects.cases import ADDRESS

from .hosts import endings, messages

pytestmark = [pytest.mark.django, pytest.mark.django_db(databases=[*settings.DATABASES])]


@pytest.mark.parametrize(("host", "case", "ending"), endings(), indirect=["host"], ids=str)
def test_ending(host, case, ending, arrange):
    """The vendor's status, headers and body, as the vendor's own tests have them."""
    expected = case.endings[ending]
    expected = replace(expected, headers={**expected.headers, **host.adds})
    assert host.send(arrange(case, ending)) == expected


def link_in(message):
    """The link, whole."""
    (link,) = (word for word in message.body.split() if "?token=" in word)
    return link


def press(host, link):
    """Open a link as a browser does, and press the button of its page."""
    page = host.open(link)
    assert page.status == 200
    html = page.body.decode()
    (style,) = re.findall(r'<link rel="stylesheet" href="([^"]*)"', html)
    assert b":root" in host.open(urljoin(link, style)).body
    # The first form confirms.
    action, *_ = re.findall(r'<form method="post" action="([^"]*)"', html)
    (token,) = set(re.findall(r'name="token" value="([^"]*)"', html))
    return host.open(urljoin(link, unescape(action)), f"token={token}".encode())


@pytest.mark.parametrize(("host", "case"), messages(), indirect=["host"], ids=str)
def test_message_confirms(host, case, arrange, delivered):
    """A message goes out; its link, opened and pressed, confirms, and ends well ever after."""
    host.send(arrange(case, Outcome.SENT))
    (message,) = delivered()
    assert message.to == [ADDRESS]
    done = press(host, link_in(message))
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED
    if done.status == 303:
        assert done.headers["Location"].startswith("https://game.example/callback")
    else:
        assert (done.status, b"Your e-mail address is confirmed" in done.body) == (200, True)
    again = host.open(link_in(message))
    assert (again.status, b"This e-mail address is already confirmed" in again.body) == (200, True)

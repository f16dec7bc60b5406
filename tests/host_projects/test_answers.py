"""Answers and links on all hosts."""

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
    """Each ending has exactly the vendor's status, headers and body."""
    expected = case.endings[ending]
    expected = replace(expected, headers={**expected.headers, **host.adds})
    assert host.send(arrange(case, ending)) == expected


def link_in(message):
    """Return the link in a message."""
    (link,) = (word for word in message.body.split() if "?token=" in word)
    return link


def press(host, link):
    """Open a link, load the stylesheet and press the button, as in a browser."""
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
    """A message is sent, its link confirms, and then shows that the address is confirmed."""
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

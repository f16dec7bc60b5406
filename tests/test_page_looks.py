"""Name, logo, colour and support on the pages, and the address that they show."""

import re

import pytest
from django.core import mail
from django.test import Client

from resend_confirmation import engine, start
from resend_confirmation.models import Confirmation
from resend_confirmation.outcomes import ConfirmationState

from .test_page_headers import POLICY

pytestmark = [pytest.mark.django, pytest.mark.django_db]

SHOP = {
    "name": "the shop/1",
    "title": "Tom & <Jerry>'s",
    "support_url": "mailto:help@shop.example",
    "logo": "https://cdn.shop.example:8443/a/logo.png?a=1&b=2",
    "accent": "#facc15",
}
NAME = "Tom &amp; &lt;Jerry&gt;&#x27;s"
STYLE = "/confirm/style.css?client=the%20shop%2F1"


@pytest.fixture
def token(pending, change, clock):
    """The token of a message of the shop, which is not the default client."""
    change(SITE_NAME="The Site", CLIENTS=[{"name": "default"}, SHOP])
    start(pending, client="the shop/1")
    engine.drain()
    found = re.search(r"\?token=([A-Za-z0-9_-]{43})", str(mail.outbox[0].body))
    assert found
    return found[1]


def opened(path, **given):
    response = Client().get(path, given)
    return response, response.content.decode()


def test_name(token):
    """A genuine link's page has the client's name, logo, stylesheet and support, escaped."""
    _, text = opened("/confirm/", token=token)
    assert f"<title>Your e-mail address – {NAME}</title>" in text
    logo = "https://cdn.shop.example:8443/a/logo.png?a=1&amp;b=2"
    assert f'<header><img src="{logo}" alt="{NAME}"></header>' in text
    assert f'<link rel="stylesheet" href="{STYLE}">' in text
    assert '<footer><a href="mailto:help@shop.example">Contact support</a></footer>' in text


def test_policy(token):
    """The policy allows images from the logo's origin only, and none without a logo."""
    response, _ = opened("/confirm/", token=token)
    with_logo = POLICY.replace("base-uri", "img-src https://cdn.shop.example:8443; base-uri")
    assert response["Content-Security-Policy"] == with_logo
    response, _ = opened("/confirm/", token="x" * 43)
    assert response["Content-Security-Policy"] == POLICY


def test_style(token):
    """The stylesheet has the client's colour and a text colour that can be read on it."""
    _, text = opened(STYLE)
    assert "background: #facc15;" in text
    assert "color: #000000;" in text
    for path in ("/confirm/style.css", "/confirm/style.css?client=nothing"):
        _, text = opened(path)
        assert "background: #14532d;" in text
        assert "color: #ffffff;" in text


def test_masked_address(token):
    """The page shows the masked address that the link was sent to, and no other."""
    _, text = opened("/confirm/", token=token)
    assert '<p>E-mail address: <bdi dir="ltr">p*****g@example.com</bdi></p>' in text
    assert "pending@example.com" not in text


def test_way_on_from_a_dead_link(token):
    """The page of a withdrawn link has links to the client's site and support, and the form."""
    Confirmation.objects.update(state=ConfirmationState.WITHDRAWN)
    response, text = opened("/confirm/", token=token)
    assert response.status_code == 410
    assert f'<a href="https://site.example">Go to {NAME}</a>' in text
    assert '<a href="mailto:help@shop.example">Contact support</a>' in text
    assert '<input type="text" inputmode="email"' in text
    assert "example.com" not in text


def test_unknown_link(token):
    """The page of an unknown link has the name of the site."""
    _, text = opened("/confirm/", token="x" * 43)
    assert "<header><bdi>The Site</bdi></header>" in text
    assert '<a href="https://site.example">Go to The Site</a>' in text
    assert "<footer>" not in text


def test_after_a_form(token):
    """The page after a form's redirect has the name of the link's client."""
    response = Client().post("/confirm/not-me/", {"token": token}, follow=True)
    (where, _) = response.redirect_chain[0]
    assert where == "/confirm/disowned/?language=en&client=the+shop%2F1"
    assert f'alt="{NAME}"' in response.content.decode()


def failing():
    """Fail, as a table of clients without its database does."""
    raise RuntimeError


def test_clients_that_cannot_be_read(token, change):
    """If the clients cannot be read, the page has the name of the site."""
    change(CLIENTS="tests.test_page_looks.failing")
    response, text = opened("/confirm/", token="x" * 43)
    assert response.status_code == 404
    assert "<header><bdi>The Site</bdi></header>" in text

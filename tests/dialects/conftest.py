"""Fixtures for asking a dialect, for getting it into each of its endings, and for looking after."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.test import Client
from openapi_spec_validator import validate

from resend_confirmation.testing.dialects import Clock, Site
from tests.factories import UserFactory
from tests.smtp_server import Server

from .cases import link_of, token_of
from .mailbox import Mailbox


def make_account(username: str, email: str, **given: Any) -> Any:
    """An account of the test site's, or of a host's whose users have no user name."""
    return UserFactory.create(username=username, email=email, **given)


@pytest.fixture
def site(db, settings, monkeypatch) -> Site:
    """The test site."""
    return Site(settings, monkeypatch, make_account)


@pytest.fixture
def clock(site: Site) -> Clock:
    """Both clocks that the package reads, standing still."""
    return site.clock


@pytest.fixture(scope="module")
def document() -> Any:
    """The OpenAPI document as a site serves it, which is a valid one."""
    response = Client().get("/schema/")
    assert response.status_code == 200
    loaded = yaml.safe_load(response.content)
    validate(loaded)
    return loaded


@pytest.fixture
def configure(site):
    """Change some keys of the settings' dict."""
    return site.configure


@pytest.fixture
def default_client(site):
    """Make one of the test site's clients the one of requests that name none."""
    return site.default_client


@pytest.fixture
def send(site):
    """Ask as a server would hand the request on."""
    return site.send


@pytest.fixture
def reply(site):
    """Return the response to a request."""
    return site.reply


@pytest.fixture
def delivered(site):
    """The messages that went out since the last look."""
    return site.delivered


@pytest.fixture
def assert_unchanged(site):
    """Within it nothing in the database may change, and no message may come of it."""
    return site.assert_unchanged


@pytest.fixture
def press(site, client):
    """Open the link of a message, where nothing may change, and press its button."""

    def press(message):
        before = site.rows()
        page = client.get(link_of(message))
        assert (page.status_code, client.head(link_of(message)).status_code) == (200, 200)
        assert f'name="token" value="{token_of(message)}"' in page.content.decode()
        assert site.rows() == before
        return client.post("/confirm/", {"token": token_of(message)})

    return press


@pytest.fixture
def crash(site):
    """Make a function of an object raise; its text must reach the log and never a caller."""
    return site.crash


@pytest.fixture
def arrange(site):
    """Set the site up for an ending and return the request that leads to it."""
    return site.arrange


@pytest.fixture(scope="module")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """An SMTP server and its port."""
    mailbox = Mailbox()
    controller = Server(mailbox)
    controller.start()
    yield mailbox, controller.port
    controller.stop()

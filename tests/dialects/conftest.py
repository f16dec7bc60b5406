"""Fixtures to send requests to a dialect, to reach each ending, and to check the effects."""

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
    """Create an account, also on hosts whose users have no user name."""
    return UserFactory.create(username=username, email=email, **given)


@pytest.fixture
def site(db, settings, monkeypatch) -> Site:
    """The test site."""
    return Site(settings, monkeypatch, make_account)


@pytest.fixture
def clock(site: Site) -> Clock:
    """Both clocks that the package reads, which the test sets."""
    return site.clock


@pytest.fixture(scope="module")
def document() -> Any:
    """The OpenAPI document that the site serves, after validation."""
    response = Client().get("/schema/")
    assert response.status_code == 200
    loaded = yaml.safe_load(response.content)
    validate(loaded)
    return loaded


@pytest.fixture
def configure(site):
    """Return a function that changes keys of RESEND_CONFIRMATION."""
    return site.configure


@pytest.fixture
def default_client(site):
    """Return a function that makes one of the clients the default client."""
    return site.default_client


@pytest.fixture
def send(site):
    """Return a function that sends a request as a server would pass it on."""
    return site.send


@pytest.fixture
def reply(site):
    """Return a function that returns the reply to a request."""
    return site.reply


@pytest.fixture
def delivered(site):
    """Return a function that returns the messages sent since its last call."""
    return site.delivered


@pytest.fixture
def assert_unchanged(site):
    """Return a context manager that asserts unchanged rows and no message."""
    return site.assert_unchanged


@pytest.fixture
def press(site, client):
    """Return a function that opens the link of a message and presses the button."""

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
    """Return a function that makes a function of an object raise an error."""
    return site.crash


@pytest.fixture
def arrange(site):
    """Return a function that prepares the site for an ending and returns the request for it."""
    return site.arrange


@pytest.fixture(scope="module")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """An SMTP server and its port."""
    mailbox = Mailbox()
    controller = Server(mailbox)
    controller.start()
    yield mailbox, controller.port
    controller.stop()

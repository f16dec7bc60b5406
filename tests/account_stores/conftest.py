"""Skip the tests of packages that the settings do not install."""

import re

import pytest
from django.conf import settings
from django.core import mail

from resend_confirmation import engine

_NEED = {
    "allauth": ["test_allauth*.py", "test_dj_rest_auth.py"],
    "djoser": ["test_djoser.py"],
    "django_registration": ["test_django_registration.py"],
    "registration": ["test_registration_redux.py"],
}
collect_ignore_glob = [
    name for app, names in _NEED.items() if app not in settings.INSTALLED_APPS for name in names
]

#: A dialect's path. Any dialect would do.
RESEND = "/auth/send-email-confirmation"


@pytest.fixture
def ask(client):
    """Return a function that requests a resend and returns status and message of the response."""

    def ask(address):
        body = {"email": address}
        answer = client.post(RESEND, body, content_type="application/json")
        return answer.status_code, answer.json().get("message", "sent")

    return ask


@pytest.fixture
def arrived(client):
    """Return a function that sends queued messages and returns recipient and body of new ones."""
    seen = 0

    def look():
        nonlocal seen
        while not engine.drain().idle:
            pass
        new, seen = mail.outbox[seen:], len(mail.outbox)
        return [(message.to, str(message.body)) for message in new]

    return look


@pytest.fixture
def press(client):
    """Return a function that opens our link, presses the button and returns the page's title."""

    def press(body):
        (link,) = re.findall(r"https://site\.example(/confirm/\?\S+)", body)
        client.get(link)
        answer = client.post("/confirm/", {"token": link.partition("token=")[2]})
        assert not answer.cookies
        return re.findall(r"<h1>(.*?)</h1>", answer.content.decode())[0]

    return press

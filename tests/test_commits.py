"""A limit of every database: an error that is true when the answer to COMMIT is lost."""

import json
import select
import socket
import threading
from contextlib import suppress

import pytest
from django.db import DatabaseError, connection, connections
from django.test import Client

from resend_confirmation import engine, start
from resend_confirmation.models import Confirmation, Delivery

from .factories import UserFactory
from .test_link import linked

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor not in {"postgresql", "mysql"}, reason="there is no connection to lose"
    ),
]


class Deaf:
    """Forwards to a database; cuts the connection in place of the answer to the next COMMIT."""

    def __init__(self, target):
        self.target, self.is_deaf = target, False
        self._is_the_answer = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(self.target)
                threading.Thread(target=self._serve, args=[near, far], daemon=True).start()

    def _serve(self, near, far):
        with near, far, suppress(OSError):
            while True:
                ready, _, _ = select.select([near, far], [], [])
                for one in ready:
                    data = one.recv(65536)
                    if not data or (one is far and self._is_the_answer):
                        # It has committed, and says so; the site never hears of it.
                        self.is_deaf = self._is_the_answer = False
                        return
                    if one is near and data.rstrip(b"\0").endswith(b"COMMIT"):
                        self._is_the_answer = self.is_deaf
                    (far if one is near else near).sendall(data)

    def close(self):
        # Wakes the thread that waits in accept.
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def deaf(pending, monkeypatch):
    """The site's connection leads through a way that loses the answer to one COMMIT."""
    ours = connections["default"]
    known = ours.settings_dict
    way = Deaf((known["HOST"] or "127.0.0.1", int(known["PORT"])))
    ours.close()
    options = {**known["OPTIONS"]}
    if connection.vendor == "postgresql":
        options["sslmode"] = "disable"
    changed = {**known, "HOST": "127.0.0.1", "PORT": way.port, "OPTIONS": options}
    monkeypatch.setattr(ours, "settings_dict", changed)
    yield way
    ours.close()
    way.close()


def post(path, **body):
    browser = Client(raise_request_exception=False)
    return browser.post(path, json.dumps(body), content_type="application/json").status_code


@pytest.mark.parametrize(
    ("path", "state"),
    [("/auth/send-email-confirmation", "queued"), ("/accounts/resend-confirmation", "asked")],
    ids=["candid", "quiet"],
)
def test_a_request(deaf, path, state):
    """FAILED, although the row is there: neither side can know; its message follows."""
    deaf.is_deaf = True
    assert post(path, email="pending@example.com") == 500
    assert not deaf.is_deaf
    assert [row.state for row in Delivery.objects.all()] == [state]
    assert (engine.drain().sent, Delivery.objects.get().state) == (1, "sent")


def test_a_sign_up(deaf):
    """A sign-up reports a failure, although its confirmation is pending."""
    user = UserFactory.create(username="new")
    deaf.is_deaf = True
    with pytest.raises(DatabaseError):
        start(user)
    assert Confirmation.objects.get(account=user).state == "pending"
    assert Delivery.objects.get().state == "queued"


def test_a_press(pending, deaf):
    """A press reports an error, and the next one that the address is already confirmed."""
    token = linked(pending)
    deaf.is_deaf = True
    browser = Client(raise_request_exception=False)
    assert browser.post("/confirm/", {"token": token}).status_code == 500
    assert Confirmation.objects.get().state == "confirmed"
    assert browser.post("/confirm/", {"token": token}).status_code == 200

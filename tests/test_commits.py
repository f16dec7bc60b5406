"""Ambiguous commits: the connection is lost before the response to COMMIT arrives."""

import json
import re
import select
import socket
import threading
from contextlib import suppress

import pytest
from django.db import DatabaseError, close_old_connections, connection, connections
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


class Proxy:
    """A proxy of a database that can drop the connection instead of the response to a commit."""

    def __init__(self, target):
        self.target, self.drops_commit = target, False
        #: Pattern of the statement that commits.
        self.commit = rb"COMMIT\0?\Z"
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
                        # The database has committed, but the site does not get the response.
                        self.drops_commit = self._is_the_answer = False
                        return
                    if one is near and re.search(self.commit, data):
                        self._is_the_answer = self.drops_commit
                    (far if one is near else near).sendall(data)

    def close(self):
        # End the thread that waits in accept.
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def proxy(pending, monkeypatch):
    """The proxy through which the site connects to its database."""
    wrapper = connections["default"]
    known = wrapper.settings_dict
    made = Proxy((known["HOST"] or "127.0.0.1", int(known["PORT"])))
    wrapper.close()
    options = {**known["OPTIONS"]}
    if connection.vendor == "postgresql":
        options["sslmode"] = "disable"
    changed = {**known, "HOST": "127.0.0.1", "PORT": made.port, "OPTIONS": options}
    monkeypatch.setattr(wrapper, "settings_dict", changed)
    yield made
    wrapper.close()
    made.close()


def post(path, **body):
    browser = Client(raise_request_exception=False)
    return browser.post(path, json.dumps(body), content_type="application/json").status_code


@pytest.mark.parametrize(
    ("path", "commit", "state"),
    [
        ("/auth/send-email-confirmation", rb"COMMIT\0?\Z", "queued"),
        # A single INSERT without a transaction.
        ("/accounts/resend-confirmation", rb"INSERT INTO .resend_confirmation_delivery", "asked"),
    ],
    ids=["candid", "quiet"],
)
def test_a_request(proxy, path, commit, state):
    """The response is an error although the row was committed; its message is sent later."""
    proxy.commit, proxy.drops_commit = commit, True
    assert post(path, email="pending@example.com") == 500
    assert not proxy.drops_commit
    # Django does so after each request, but not after one of its test client.
    close_old_connections()
    assert [row.state for row in Delivery.objects.all()] == [state]
    assert (engine.drain().sent, Delivery.objects.get().state) == (1, "sent")


def test_a_sign_up(proxy):
    """``start`` raises an error although the confirmation was committed."""
    user = UserFactory.create(username="new")
    proxy.drops_commit = True
    with pytest.raises(DatabaseError):
        start(user)
    assert Confirmation.objects.get(account=user).state == "pending"
    assert Delivery.objects.get().state == "queued"


def test_a_press(pending, proxy):
    """The first press is an error; after the next the address is already confirmed."""
    token = linked(pending)
    proxy.drops_commit = True
    browser = Client(raise_request_exception=False)
    assert browser.post("/confirm/", {"token": token}).status_code == 500
    assert Confirmation.objects.get().state == "confirmed"
    assert browser.post("/confirm/", {"token": token}).status_code == 200

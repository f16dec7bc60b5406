"""The cost of a request: canonical forms and function calls."""

import sys
from pathlib import Path

import pytest
from django.core import mail
from django.http import HttpResponse

from resend_confirmation import addresses, clients, engine
from resend_confirmation.engine import ResendRequest
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.outcomes import CONCEALED, Outcome

pytestmark = [pytest.mark.database, pytest.mark.django_db]

PACKAGE = str(Path(addresses.__file__).parent)
#: Upper limits for one request. Lower them when a change saves calls.
MOST_FILES, MOST_CALLS = 14, 135
REQUESTS = {
    "strapi": ("/auth/send-email-confirmation", {"email": "pending@example.com"}),
    "xsolla-oauth2": (
        "/api/oauth2/user/resend_confirmation_link?client_id=57",
        {"username": "pending@example.com"},
    ),
    # A quiet dialect.
    "quiva": ("/accounts/resend-confirmation", {"email": "pending@example.com"}),
}


def calls_in_the_package(work):
    """Return the file of each function of the package that is called during ``work``."""
    files = []

    def note(frame, event, arg):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            files.append(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return files


@pytest.mark.parametrize(("path", "body"), REQUESTS.values(), ids=REQUESTS)
def test_calls_of_a_request(pending, client, path, body):
    """A successful request does not exceed the limits of files and calls."""

    def ask():
        answers.append(client.post(path, body, content_type="application/json"))

    answers: list[HttpResponse] = []
    ask()  # The first request also reads the settings and the URLs.
    Cooldown.objects.all().delete()
    files = calls_in_the_package(ask)
    assert [answer.status_code for answer in answers] in ([200, 200], [204, 204])
    assert Delivery.objects.count() == 2
    assert 0 < len(files) <= MOST_CALLS
    assert len(set(files)) <= MOST_FILES


@pytest.fixture
def canonicalised(monkeypatch):
    """A list of the texts whose canonical form is computed."""
    texts = []
    canonical = addresses._canonical

    def counted(text):
        texts.append(text)
        return canonical(text)

    monkeypatch.setattr(addresses, "_canonical", counted)
    return texts


@pytest.mark.parametrize("typed", ["pending@example.com", "PENDING@Example.com", "pending"])
def test_canonical_forms_of_a_candid_resend(pending, canonicalised, typed):
    """A candid resend computes at most two canonical forms."""
    request = ResendRequest(identity=typed, client=clients.default())
    assert engine.resend(request).ending is Outcome.SENT
    assert 1 <= len(canonicalised) <= 2


@pytest.mark.parametrize("typed", ["pending@example.com", "PENDING@Example.com"])
def test_canonical_forms_of_a_candid_request(pending, canonicalised, client, typed):
    """A candid request computes at most two canonical forms, including its input's."""
    path, _ = REQUESTS["strapi"]
    assert client.post(path, {"email": typed}, content_type="application/json").status_code == 200
    assert 1 <= len(canonicalised) <= 2


@pytest.mark.parametrize("typed", ["pending@example.com", "PENDING@Example.com", "pending"])
def test_canonical_forms_of_a_drain(pending, canonicalised, typed):
    """Resolving and sending a quiet request computes at most three canonical forms."""
    engine.resend(ResendRequest(identity=typed, client=clients.default(), quiet=CONCEALED))
    canonicalised.clear()
    engine.drain()
    assert [message.to for message in mail.outbox] == [["pending@example.com"]]
    assert 1 <= len(canonicalised) <= 3

"""The work of one request: how many canonical forms it computes, and how many calls it takes."""

import pytest
from django.core import mail

from resend_confirmation import addresses, clients, engine
from resend_confirmation.engine import ResendRequest
from resend_confirmation.outcomes import CONCEALED, Outcome

pytestmark = [pytest.mark.database, pytest.mark.django, pytest.mark.django_db]


@pytest.fixture
def canonicalised(monkeypatch):
    """Count the texts of which a canonical form is computed."""
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


@pytest.mark.parametrize("typed", ["pending@example.com", "PENDING@Example.com", "pending"])
def test_canonical_forms_of_a_drain(pending, canonicalised, typed):
    """To resolve one quiet resend and send its message takes at most three canonical forms."""
    engine.resend(ResendRequest(identity=typed, client=clients.default(), quiet=CONCEALED))
    canonicalised.clear()
    engine.drain()
    assert [message.to for message in mail.outbox] == [["pending@example.com"]]
    assert 1 <= len(canonicalised) <= 3

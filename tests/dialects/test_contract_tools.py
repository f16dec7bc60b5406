"""Tools of the contract: replies, nested keys, the site and the comparison with the document."""

import pytest
from django.core import mail
from django.http import HttpResponse
from rest_framework import serializers

from resend_confirmation import start
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import DeliveryState
from resend_confirmation.testing.dialects import Contract, Document, document
from resend_confirmation.testing.dialects.case import Reply, to_reply
from resend_confirmation.testing.dialects.document import faults_of
from resend_confirmation.testing.dialects.inputs import _paths
from tests.factories import UserFactory

from .cases import vendor_cases

CASE = vendor_cases()[0]


class TestHost(Contract):
    """A host's class of tests."""

    cases = vendor_cases()

    def test_without_a_case(self, request):
        """A test without the parameter ``case`` runs once."""
        assert request.node.name == "test_without_a_case"


def test_cookies():
    """A cookie is a header of the reply."""
    response = HttpResponse("{}", content_type="application/json")
    response.set_cookie("seen", "1")
    assert to_reply(response) == Reply(
        200, b"{}", {"Content-Type": "application/json", "Set-Cookie": "seen=1; Path=/"}
    )


class Inner(serializers.Serializer):
    """A nested input."""

    captcha = serializers.CharField()


class Outer(serializers.Serializer):
    """The inputs of a body."""

    email = serializers.CharField()
    security = Inner()


def test_nested_keys():
    """Keys of nested inputs are listed too."""
    assert list(_paths(Outer())) == [("email",), ("security",), ("security", "captcha")]


def test_caches_of_the_host(site, settings):
    """The host's cache, which may not be available in tests, is replaced."""
    redis = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": redis, "LOCATION": "redis://127.0.0.1:1"}}
    site.configure_site(CASE)
    assert settings.CACHES == {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }


def test_unchanged_after_a_delivery(site):
    """``assert_unchanged`` sends due messages before it compares rows."""
    start(UserFactory.create())
    with site.assert_unchanged():
        assert Delivery.objects.get().state == DeliveryState.SENT
    assert mail.outbox == []


OPERATION = {
    "responses": {
        "200": {"content": {"application/json": {"schema": {"type": "object"}}}},
        "204": {},
    }
}


@pytest.mark.parametrize(
    ("reply", "faults"),
    [
        (Reply(200, b"{}", {"Content-Type": "application/json"}), []),
        (Reply(200, b"[]", {"Content-Type": "application/json"}), ["[] is not of type 'object'"]),
        (Reply(200, b"ok", {"Content-Type": "text/plain"}), ["200 is not listed as text/plain"]),
        (Reply(200), ["200 has a body"]),
        (Reply(204), []),
        (Reply(404), ["404 is not listed"]),
    ],
    ids=str,
)
def test_faults_of_a_reply(reply, faults):
    """Statuses, media types and bodies that the document does not describe are reported."""
    assert faults_of(reply, OPERATION, {}) == faults


def test_a_header_that_the_document_lacks(site, monkeypatch):
    """The contract fails if the document does not list the header Retry-After."""
    make = document.document

    def without_headers():
        made = make()
        for item in made["paths"].values():
            for operation in item.values():
                for response in operation["responses"].values():
                    response.pop("headers", None)
        return made

    site.configure_site(CASE)
    monkeypatch.setattr(document, "document", without_headers)
    with pytest.raises(AssertionError, match="Retry-After is not listed"):
        Document().test_document(CASE, site)

"""Inputs in headers: under the header's own name, as UTF-8 where they are, else as Latin-1."""

from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework import serializers

from resend_confirmation.dialects.base import IdentityField, Kind
from resend_confirmation.dialects.base.reading import Reading, read
from resend_confirmation.outcomes import Refusal


class HeaderInputs(serializers.Serializer[Any]):
    """Who is meant, and who asks."""

    X_User_Name = IdentityField(source="identity")
    X_App = serializers.CharField(source="client", required=False)


def reading(headers: dict[str, str]) -> Reading:
    """What is read of a request with these headers, and with others that are not declared."""
    request = RequestFactory().post("/?X_App=query", headers={"X-Other": "1", **headers})
    return read(
        request,
        path=(None, {}),
        header_class=HeaderInputs,
        query_class=None,
        body_class=None,
        takes_form=False,
    )


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        ("ann@example.com", "ann@example.com"),
        ("grüße@example.com".encode().decode("latin-1"), "grüße@example.com"),
        ("grüße@example.com", "grüße@example.com"),
        ("ключ".encode().decode("latin-1"), "ключ"),
    ],
)
def test_identity(sent, read_as):
    """A header is UTF-8, or else the Latin-1 that servers hand on."""
    assert reading({"x-user-name": sent}) == Reading({"identity": read_as})


def test_all_that_is_declared():
    """What is declared is read, and nothing else."""
    found = reading({"X-User-Name": "ann", "X-App": "shop"})
    assert found.values == {"identity": "ann", "client": "shop"}


@pytest.mark.parametrize(
    ("headers", "kind"), [({}, Kind.MISSING), ({"X-User-Name": "a\x07"}, Kind.WRONG)], ids=repr
)
def test_refusal(headers, kind):
    """What is wrong is told by the header's name, which a row of the table may name."""
    found = reading(headers)
    assert found.refusal is Refusal.INVALID
    assert (found.detail.name, found.detail.kind) == ("X-User-Name", kind)
    assert list(found.detail.errors) == ["X-User-Name"]

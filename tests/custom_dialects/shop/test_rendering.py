"""The body of success is built and rendered once, before the request commits."""

from typing import Any

import pytest
from rest_framework import serializers

from resend_confirmation.dialects.base.rendering import VendorJSONRenderer
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.testing.dialects import ADDRESS, Site, expected
from shop.test_versioned import FIRST
from shop.versioned import VersionedFirst


@pytest.fixture(params=[[], ["versioned"]], ids=["candid", "quiet"])
def site(request, db, settings, monkeypatch):
    """The host's site, with a pending account."""
    site = Site(settings, monkeypatch)
    site.configure_site(FIRST)
    site.configure(QUIET=request.param)
    site.pending()
    monkeypatch.setattr(VersionedFirst, "success_class", serializers.DictField)
    return site


def test_answer_is_built_once(site, monkeypatch):
    """The body that was rendered is the one that is sent."""
    built: list[str] = []
    rendered: list[Any] = []
    render = VendorJSONRenderer.render

    def success_body(view, answer, result):
        built.append(result.identity)
        return {"number": len(built)}

    def counted(*args, **kwargs):
        rendered.append(args[1])
        return render(*args, **kwargs)

    monkeypatch.setattr(VersionedFirst, "success_body", success_body)
    monkeypatch.setattr(VendorJSONRenderer, "render", counted)
    assert site.reply(FIRST.request_for(ADDRESS)) == expected(202, b'{"number":1}')
    assert (built, rendered) == ([ADDRESS], [{"number": 1}])


def test_rendering_that_fails(site, monkeypatch):
    """FAILED means that nothing was written, even if it is only the rendering that fails."""
    body = {"number": float("nan")}
    monkeypatch.setattr(VersionedFirst, "success_body", lambda *args: body)
    assert site.reply(FIRST.request_for(ADDRESS)) == expected(500, b'{"ok":false,"error":"failed"}')
    assert (Delivery.objects.count(), Cooldown.objects.count()) == (0, 0)

"""Fixtures to configure a host's site and send requests to it."""

import pytest
from django.db import connections
from django.urls import set_script_prefix
from rest_framework.views import APIView

from tests.dialects.conftest import (  # noqa: F401 - fixtures
    arrange,
    clock,
    configure,
    crash,
    default_client,
    delivered,
    site,
)


@pytest.fixture
def host(request, settings, monkeypatch, site):  # noqa: F811
    """Configure the host that a test names."""
    made = request.param
    for name, value in made.settings.items():
        merged = {**settings.REST_FRAMEWORK, **value} if name == "REST_FRAMEWORK" else value
        setattr(settings, name, merged)
    for name, value in made.api.items():
        # DRF reads its default settings when APIView is imported.
        monkeypatch.setattr(APIView, name, value)
    for name, value in made.database.items():
        monkeypatch.setitem(connections.settings["default"], name, value)
    site.configure(**made.package)
    # Fixtures that prepare an ending use the same server.
    monkeypatch.setattr(site, "send", made.send)
    return made


@pytest.fixture(params=["/", "/shop/", "/elsewhere/"])
def script_prefix(request):
    """Set the thread's script prefix, as an earlier request in the same thread might."""
    set_script_prefix(request.param)
    yield request.param
    set_script_prefix("/")

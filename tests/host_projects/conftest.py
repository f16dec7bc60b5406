"""Fixtures for asking a host's site as its vendors' clients do, and for opening links there."""

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
    """The host that a test names, in force."""
    made = request.param
    for name, value in made.settings.items():
        merged = {**settings.REST_FRAMEWORK, **value} if name == "REST_FRAMEWORK" else value
        setattr(settings, name, merged)
    for name, value in made.api.items():
        # DRF reads its defaults into APIView when it is imported.
        monkeypatch.setattr(APIView, name, value)
    for name, value in made.database.items():
        monkeypatch.setitem(connections.settings["default"], name, value)
    site.configure(**made.ours)
    # Preparations for an ending go through the same server.
    monkeypatch.setattr(site, "send", made.send)
    return made


@pytest.fixture(params=["/", "/shop/", "/elsewhere/"])
def script_prefix(request):
    """The script prefix of a thread: a command's, a courier's, or that of the last request."""
    set_script_prefix(request.param)
    yield request.param
    set_script_prefix("/")

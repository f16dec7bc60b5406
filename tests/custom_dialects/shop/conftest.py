"""The host's site."""

import pytest


@pytest.fixture(autouse=True)
def _shop(settings):
    settings.ROOT_URLCONF = "shop.urls"

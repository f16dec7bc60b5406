"""System checks of dialects together with clients."""

from unittest.mock import Mock

import pytest
from django.core.checks import run_checks

from resend_confirmation.clients import Client, Redirect
from resend_confirmation.dialects.xsolla import XsollaOAuth2Resend

#: Stands for a callable that reads clients from a table.
table = Mock()


@pytest.mark.parametrize(
    ("client", "shut"),
    [
        ({}, ["xsolla-jwt", "xsolla-oauth2"]),
        ({"ids": {"xsolla-oauth2": 58}}, ["xsolla-jwt"]),
        # The OAuth 2.0 dialect only accepts digits.
        ({"ids": {"xsolla-oauth2": "58x", "xsolla-jwt": "58x"}}, ["xsolla-oauth2"]),
        (
            {"required": False, "ids": {"xsolla-oauth2": 58, "xsolla-jwt": "58x"}},
            ["backendless", "quiva", "strapi", "strapi-v4", "xsolla-jwt", "xsolla-oauth2"],
        ),
    ],
)
@pytest.mark.parametrize("form", ["list", "callable"])
def test_w033_without_a_client(settings, client, shut, form):
    """W033: a dialect is mounted that no client can call; clients from a callable count."""
    table.return_value = [{"name": "a", **client}]
    settings.RESEND_CONFIRMATION = {
        "BASE_URL": "https://site.example",
        "CLIENTS": table.return_value if form == "list" else f"{__name__}.table",
    }
    settings.ROOT_URLCONF = "resend_confirmation.urls"
    found = run_checks(tags=["resend_confirmation"], databases=["default"])
    told = [m.msg.partition(":")[0] for m in found if m.id == "resend_confirmation.W033"]
    assert told == shut


def test_w001_text():
    """W001: the message names the dialect and the client."""
    client = Client(name="game", redirects=[Redirect("0", "https://game.example/")])
    (message,) = XsollaOAuth2Resend.check(client)
    assert message.msg == "xsolla-oauth2: no authorization code is put on the redirects of 'game'"

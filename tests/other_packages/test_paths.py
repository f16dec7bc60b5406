"""django-allauth's pages and a dialect's calls, both below accounts/."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core.checks import run_checks

from resend_confirmation.models import Delivery

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["first", "last"], autouse=True)
def urls(request, settings):
    """Mount our URLs before allauth's, or after them."""
    settings.ROOT_URLCONF = f"tests.other_packages.urls_ours_{request.param}"
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
    settings.ACCOUNT_RATE_LIMITS = False


def sign_up(client):
    """Sign up at allauth and return the last page."""
    password = "a long password, as allauth likes them"
    given = {"username": "jane", "email": "jane@example.org"}
    given |= {"password1": password, "password2": password}
    answer = client.post("/accounts/signup/", given)
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/confirm-email/")
    return client.get(answer["Location"])


def test_sent_page(client):
    """A sign-up ends on allauth's page; the path without a slash is our call."""
    assert "Verify Your Email Address" in sign_up(client).content.decode()
    answer = client.get("/accounts/confirm-email")
    assert (answer.status_code, answer["Location"]) == (301, "/accounts/confirm-email/")
    answer = client.post("/accounts/confirm-email", {"token": "x"}, "application/json")
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid token"})


def test_code(client, settings, mailoutbox):
    """The code in allauth's message can be entered on its page."""
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    assert 'name="code"' in sign_up(client).content.decode()
    (message,) = mailoutbox
    (code,) = re.findall(r"^([A-Z0-9-]{6,9})$", message.body, re.MULTILINE)
    answer = client.post("/accounts/confirm-email/", {"code": code})
    assert answer.status_code == 302
    assert EmailAddress.objects.get().verified is True
    assert not Delivery.objects.exists()


def test_checks():
    """The checks find no path that is mounted twice, in either order."""
    assert [m.msg for m in run_checks() if m.id == "resend_confirmation.W034"] == []

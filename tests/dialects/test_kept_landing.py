"""A resend without a redirect keeps the redirect, state and payload of the previous message."""

import pytest
from django.core import mail
from django.core.management import call_command
from django.urls import reverse

from resend_confirmation import clients, engine, start
from resend_confirmation.engine import ResendRequest
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import Outcome
from tests.factories import UserFactory

from .cases import token_of

pytestmark = pytest.mark.django_db

WEB, INVITE = "https://site.example/web", "https://site.example/invite"
SIGNING = {"key": "a secret of 32 bytes or more, known to the tests alone"}


@pytest.fixture
def ann(change, clock):
    """A pending account that signed up with a redirect that is not its client's first."""
    redirects = {"w": WEB, "i": INVITE}
    ids = {"xsolla-oauth2": 7, "xsolla-jwt": "seven"}
    change(
        CLIENTS=[
            {"name": "web", "default": True, "redirects": redirects, "ids": ids},
            {"name": "app", "redirects": [WEB], "ids": {"xsolla-oauth2": 8}, "signing": SIGNING},
        ]
    )
    user = UserFactory.create(username="ann", email="ann@example.com")
    start(user, dialect="strapi-v4", redirect=INVITE)
    deliver()
    clock.epoch += 61
    return user


def deliver():
    while not engine.drain().idle:
        pass
    messages, mail.outbox[:] = list(mail.outbox), []
    return messages


def landing(client):
    """Send the queued message, press its button and return where that redirects."""
    (message,) = deliver()
    token = token_of(message)
    response = client.post("/confirm/", {"token": token})
    assert response.status_code == 303
    return response["Location"]


def post(path):
    return lambda client, user: client.post(
        path, {"email": "ann@example.com"}, content_type="application/json"
    )


def by_admin(client, user):
    staff = UserFactory.create(username="staff", is_staff=True, is_superuser=True)
    client.force_login(staff)
    confirmation = Confirmation.objects.get(account=user)
    client.post(
        reverse("admin:resend_confirmation_confirmation_changelist"),
        {"action": "resend", "_selected_action": [confirmation.pk]},
    )


WAYS = {
    "strapi": post("/auth/send-email-confirmation"),
    "strapi-v4": post("/api/auth/send-email-confirmation"),
    "quiva": post("/accounts/resend-confirmation"),
    "send": lambda client, user: call_command("resend_confirmation", "send", "ann"),
    "send --pending": lambda client, user: call_command("resend_confirmation", "send", "--pending"),
    "admin": by_admin,
    "start": lambda client, user: start(user),
}


@pytest.mark.parametrize("quiet", [(), "all"], ids=["candid", "quiet"])
@pytest.mark.parametrize("way", WAYS)
def test_redirect(client, ann, change, way, quiet):
    """Each kind of resend without a redirect uses that of the sign-up."""
    change(QUIET=quiet)
    WAYS[way](client, ann)
    assert landing(client) == INVITE


def test_a_redirect_that_is_gone(client, ann, change):
    """A redirect that is no longer registered is replaced by the client's first."""
    change(CLIENTS=[{"name": "web", "redirects": {"w": WEB, "n": "https://site.example/new"}}])
    WAYS["quiva"](client, ann)
    assert landing(client) == WEB


def test_of_another_client(client, ann):
    """The redirect of one client is not used for another."""
    request = ResendRequest(identity="ann", client=clients.by_name("app"), dialect="strapi-v4")
    engine.resend(request)
    assert landing(client) == WEB


def test_by_its_id(client, ann, change):
    """If the URL of a registered redirect changes, its id still finds it."""
    moved = "https://site.example/moved"
    change(CLIENTS=[{"name": "web", "redirects": {"w": WEB, "i": moved}}])
    WAYS["strapi-v4"](client, ann)
    assert landing(client) == moved


def test_a_request_that_was_ignored_changes_nothing(client, ann):
    """An ignored request does not count as the previous message."""
    Delivery.objects.create(
        confirmation=Confirmation.objects.get(),
        client="web",
        redirect="w",
        state="ignored",
        asked_at=Delivery.objects.get().asked_at,
        not_before=Delivery.objects.get().not_before,
    )
    WAYS["strapi-v4"](client, ann)
    assert landing(client) == INVITE


def complete_request():
    """Return a request that names all that a later message may take from it."""
    return ResendRequest(
        identity="ann",
        client=clients.by_name("web"),
        dialect="xsolla-oauth2",
        redirect=INVITE,
        client_state="state-of-mine",
        payload="level 7",
    )


def test_after_a_change_of_address(clock, ann):
    """After a change of address a resend by hand is like the newest message to the former one."""
    engine.resend(complete_request())
    ann.email = "new@example.com"
    ann.save()
    (account,) = find_accounts("ann")
    assert engine.send_to(account).ending is Outcome.SENT
    columns = ("client", "dialect", "redirect", "client_state", "payload")
    assert Delivery.objects.order_by("pk").values_list(*columns).last() == (
        "web",
        "xsolla-oauth2",
        "i",
        "state-of-mine",
        "level 7",
    )


@pytest.mark.parametrize("way", ["send", "send --pending", "admin", "start"])
def test_state_and_way_of_landing(client, change, clock, ann, way):
    """A resend without a dialect uses dialect, state and payload of the client's newest message."""
    engine.resend(complete_request())
    deliver()
    clock.epoch += 61
    WAYS[way](client, ann)
    assert landing(client) == f"{INVITE}?state=state-of-mine"
    newest = Delivery.objects.latest("pk")
    assert (newest.dialect, newest.payload) == ("xsolla-oauth2", "level 7")

"""Authorization codes of django-oauth-toolkit, from the click to the access token."""

import logging
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.core.checks import run_checks
from django.core.management import call_command
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_application_model, get_grant_model

from resend_confirmation.clients import Client as OurClient
from resend_confirmation.contrib.oauth_toolkit import application_id
from resend_confirmation.models import Confirmation
from resend_confirmation.outcomes import ConfirmationState
from tests.test_link import linked

pytestmark = pytest.mark.django_db

Application, Grant = get_application_model(), get_grant_model()
GAME = "https://game.example/callback"


@pytest.fixture
def application(db):
    """The confidential Application of the client ``game``."""
    return Application.objects.create(
        name="game",
        client_id="57",
        client_secret="its secret",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=GAME,
    )


@pytest.fixture
def land(pending, client):
    """Return a function that confirms an address and returns where the browser is redirected."""

    def land(name="game", **more):
        token = linked(pending, dialect="xsolla-oauth2", client=name, **more)
        response = client.post("/confirm/", {"token": token})
        assert response.status_code == 303
        assert not response.cookies
        return response["Location"]

    return land


def code_in(location):
    (code,) = parse_qs(urlsplit(location).query)["code"]
    return code


def exchange(client, code, **more):
    """Post the code to the token view."""
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": GAME,
        "client_id": "57",
        "client_secret": "its secret",
        **more,
    }
    return client.post("/o/token/", given)


def test_exchange(application, land, client, pending):
    """The code in the redirect can be exchanged for the account's token, once."""
    code = code_in(land())
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED
    answer = exchange(client, code)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["token_type"], body["scope"]) == ("Bearer", "read write")
    headers = {"authorization": f"Bearer {body['access_token']}"}
    assert client.get("/me/", headers=headers).content == b"pending"
    token = get_access_token_model().objects.get()
    assert (token.user, token.application) == (pending, application)
    again = exchange(client, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_grant(application, land, pending):
    """The grant has the account, registered redirect and default scopes, and lasts a minute."""
    before = timezone.now()
    code = code_in(land())
    grant = Grant.objects.get()
    assert len(code) >= 30
    assert (grant.code, grant.user, grant.application) == (code, pending, application)
    assert (grant.redirect_uri, grant.scope) == (GAME, "read write")
    assert (grant.code_challenge, grant.code_challenge_method) == ("", "")
    assert timedelta(0) <= grant.expires - before - timedelta(seconds=60) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "given",
    [
        {"redirect_uri": "https://game.example/callback/"},
        {"redirect_uri": "https://evil.example/"},
        {"client_secret": "guessed"},
        {"client_id": "59"},
        {"code": "guessed"},
    ],
)
def test_exchange_by_others(application, land, client, given):
    """The code is refused with another redirect or client, or without the secret."""
    answer = exchange(client, **{"code": code_in(land()), **given})
    assert answer.status_code in {400, 401}
    assert not get_access_token_model().objects.exists()


def test_expired(application, land, client):
    """An expired code is refused."""
    code = code_in(land())
    Grant.objects.update(expires=timezone.now())
    assert exchange(client, code).json()["error"] == "invalid_grant"


def test_state_with_the_code(application, pending, client):
    """The redirect has the state and the code, and the click does not log in."""
    path = "/api/oauth2/user/resend_confirmation_link?client_id=57&state=state-of-mine"
    body = {"username": "pending@example.com"}
    assert client.post(path, body, content_type="application/json").status_code == 204
    call_command("resend_confirmation", "drain", verbosity=0)
    token = str(mail.outbox[-1].body).partition("token=")[2].split()[0]
    response = client.post("/confirm/", {"token": token})
    query = parse_qs(urlsplit(response["Location"]).query)
    assert query == {"code": [Grant.objects.get().code], "state": ["state-of-mine"]}
    assert not response.cookies
    assert not client.cookies
    assert "_auth_user_id" not in client.session


def test_a_used_link(application, land, client, pending):
    """A used link does not issue a second code."""
    land()
    assert Grant.objects.count() == 1
    token = str(mail.outbox[-1].body).partition("token=")[2].split()[0]
    assert b"Already confirmed" in client.post("/confirm/", {"token": token}).content
    assert Grant.objects.count() == 1


def test_application_with_another_id(application, land, settings):
    """The key ``oauth_toolkit`` in ``ids`` names an Application that has another id."""
    Application.objects.update(client_id="LOgR4Xz8")
    game = {**settings.CLIENTS[0], "ids": {"xsolla-oauth2": 57, "oauth_toolkit": "LOgR4Xz8"}}
    settings.RESEND_CONFIRMATION = {**settings.RESEND_CONFIRMATION, "CLIENTS": [game]}
    assert Grant.objects.get(code=code_in(land())).application == application


def test_clients_without_codes():
    """A client without an id for a dialect with codes needs no Application."""
    assert application_id(OurClient(name="a", ids={"xsolla-jwt": "57", "acme": "58"})) == ""


def messages(**given):
    """Return the checks' messages about codes, by id."""
    found = [(str(m.id).partition("."), m.msg) for m in run_checks(**given)]
    return [(id_, text) for (app, _, id_), text in found if app == "resend_confirmation"]


@pytest.fixture
def game_alone(settings):
    """The one client ``game``."""
    ours = settings.RESEND_CONFIRMATION
    settings.RESEND_CONFIRMATION = {**ours, "CLIENTS": [ours["CLIENTS"][0]]}


NO_CODE = "No authorization code can be issued for the client 'game': "


def refused(land, caplog):
    """Assert that the browser is redirected without a code, and return the logged error."""
    caplog.set_level(logging.ERROR)
    assert land() == GAME
    assert not Grant.objects.exists()
    assert Confirmation.objects.get().state == ConfirmationState.CONFIRMED
    (record,) = [record for record in caplog.records if record.name == "resend_confirmation"]
    assert (record.levelname, record.exc_info) == ("ERROR", None)
    return record.getMessage()


def test_sound(application, game_alone):
    """With a suitable Application the checks report nothing."""
    assert messages(databases=["default"]) == []


def test_no_application(land, caplog, game_alone):
    """W021: without an Application the browser is redirected without a code."""
    why = "no Application has this client_id"
    assert refused(land, caplog) == f"No authorization code for the client 'game': {why}"
    assert messages() == []
    assert messages(databases=["default"]) == [("W021", NO_CODE + why)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"redirect_uris": "https://game.example/other"},
            "its Application lacks one of its redirects",
        ),
        (
            {"authorization_grant_type": "client-credentials"},
            "its Application uses another grant type",
        ),
    ],
)
def test_another_application(application, land, caplog, game_alone, given, why):
    """W022: no code is issued if the Application could not exchange it."""
    Application.objects.update(**given)
    assert refused(land, caplog) == f"No authorization code for the client 'game': {why}"
    assert messages(databases=["default"]) == [("W022", NO_CODE + why)]


def test_pkce(application, land, caplog, game_alone, settings):
    """E021: no code is issued if PKCE is required, since it would have no challenge."""
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "PKCE_REQUIRED": True}
    why = "PKCE is required for its Application"
    assert refused(land, caplog) == f"No authorization code for the client 'game': {why}"
    assert messages() == [("E021", NO_CODE + why)]


def test_pkce_where_a_code_slipped_through(application, land, client, settings):
    """If PKCE is required later, the token view refuses a code that has no challenge."""
    code = code_in(land())
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "PKCE_REQUIRED": True}
    assert exchange(client, code, code_verifier="v" * 43).status_code == 400


def test_a_client_without_an_application(settings):
    """The checks report nothing about a client without an id for codes."""
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "PKCE_REQUIRED": True}
    settings.RESEND_CONFIRMATION = {**settings.RESEND_CONFIRMATION, "CLIENTS": [{"name": "site"}]}
    found = {id_ for id_, _ in messages(databases=["default"])}
    assert not found & {"E021", "W021", "W022"}


def test_before_the_first_migration(game_alone, monkeypatch):
    """Before the tables exist the checks report nothing."""
    monkeypatch.setattr(Application._meta, "db_table", "no_such_table")
    assert messages(databases=["default"]) == []

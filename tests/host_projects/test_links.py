"""The link in a message, with script prefixes, URLconfs and languages."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import call_command
from django.urls import set_urlconf
from django.utils import translation

from resend_confirmation import start
from resend_confirmation.courier import page_urls, send_due
from resend_confirmation.models import Delivery
from tests.factories import UserFactory
from tests.sessions import MIDDLEWARE

pytestmark = [pytest.mark.django, pytest.mark.django_db(databases=[*settings.DATABASES])]


@pytest.mark.parametrize(
    ("forced", "link"),
    [
        (None, "https://site.example/confirm/?token=x"),
        ("", "https://site.example/confirm/?token=x"),
        ("/shop", "https://site.example/shop/confirm/?token=x"),
        ("/shop/", "https://site.example/shop/confirm/?token=x"),
    ],
)
def test_script_prefix(forced, link, script_prefix, settings):
    """A link has the prefix of FORCE_SCRIPT_NAME, not that of the thread."""
    settings.FORCE_SCRIPT_NAME = forced
    assert page_urls.link("x") == link
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(page_urls.link, "x").result() == link


def test_script_prefix_of_a_command(script_prefix, settings):
    """A message sent by a command has the same link."""
    settings.FORCE_SCRIPT_NAME = "/shop"
    start(UserFactory.create())
    call_command("resend_confirmation", "drain", verbosity=0)
    (letter,) = mail.outbox
    assert "\nhttps://site.example/shop/confirm/?token=" in letter.body


def test_base_url_with_a_path(settings):
    """If only the server has a script name, BASE_URL must contain it."""
    settings.RESEND_CONFIRMATION = {
        **settings.RESEND_CONFIRMATION,
        "BASE_URL": "https://site.example/shop/",
    }
    assert page_urls.link("x") == "https://site.example/shop/confirm/?token=x"


def test_urlconf_of_a_request(settings):
    """The URLconf of a request does not matter, since couriers have no request."""
    settings.ROOT_URLCONF = "tests.host_projects.urls_below"
    set_urlconf("tests.urls")
    try:
        assert page_urls.link("x") == "https://site.example/login/v2/confirm/?token=x"
    finally:
        set_urlconf(None)


@pytest.mark.parametrize(
    ("language", "path"),
    [
        ("de", "/de/confirm/"),
        ("de-at", "/de/confirm/"),
        ("pt-br", "/pt-br/confirm/"),
        ("", "/en/confirm/"),
        ("fr", "/en/confirm/"),
        ("no language", "/en/confirm/"),
    ],
)
@pytest.mark.parametrize("active", ["en", "pt-br", None])
def test_i18n_patterns(language, path, active, settings, client):
    """The link's path has the message's language, if the site has it, and works."""
    settings.ROOT_URLCONF = "tests.host_projects.urls_translated"
    settings.MIDDLEWARE = MIDDLEWARE
    start(UserFactory.create())
    # A host's dialect may store any language.
    Delivery.objects.update(language=language)
    with translation.override(active):
        send_due()
    (letter,) = mail.outbox
    assert f"\nhttps://site.example{path}?token=" in letter.body
    (link,) = (word for word in letter.body.split() if "?token=" in word)
    page = client.get(link.removeprefix("https://site.example"))
    assert page.status_code == 200
    assert f'<html lang="{path.split("/")[1]}"' in page.content.decode()
    assert f'action="{path}"' in page.content.decode()


def test_not_found_in_a_language(settings, client):
    """A 404 at a path with a language is rendered with the host's URLconf.

    With another URLconf LocaleMiddleware might redirect to a page of the host.
    """
    settings.ROOT_URLCONF = "tests.host_projects.urls_translated"
    settings.MIDDLEWARE = MIDDLEWARE
    found = client.get("/de/confirm/", {"token": "x"})
    assert found.status_code == 404
    assert not hasattr(found.wsgi_request, "urlconf")


def test_language_code_that_is_not_offered(settings):
    """A message is sent even if LANGUAGE_CODE is not in LANGUAGES."""
    settings.LANGUAGES = [("de", "Deutsch")]
    start(UserFactory.create())
    send_due()
    (letter,) = mail.outbox
    assert "\nhttps://site.example/confirm/?token=" in letter.body

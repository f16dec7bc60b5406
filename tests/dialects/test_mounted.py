"""The dialects that a site mounts, which are read from its URLs."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.urls import include, path, set_urlconf
from shop.bare_string import BareStringResend

from resend_confirmation.dialects import quiva, strapi
from resend_confirmation.dialects.base import mounted_dialects, routes
from resend_confirmation.dialects.quiva import QuivaResend

pytestmark = pytest.mark.django

#: The site's URL patterns, which each test sets.
urlpatterns: list = []


class OurQuivaResend(QuivaResend):
    """A host's subclass with the same name and another redirect."""

    @classmethod
    def landing(cls, opened, client, url):
        return None


class NewQuivaResend(QuivaResend):
    """A host's subclass with another name."""

    dialect = "quiva-new"


@pytest.fixture
def mount(settings):
    """Return a function that mounts the confirm pages and these patterns."""

    def put(*patterns):
        urlpatterns[:] = [path("confirm/", include("resend_confirmation.views")), *patterns]
        settings.ROOT_URLCONF = "tests.dialects.test_mounted"

    yield put
    urlpatterns.clear()


@pytest.fixture
def ids(settings):
    """Return a function that returns the ids of the checks' messages."""

    def run(**given):
        settings.RESEND_CONFIRMATION = {
            "BASE_URL": "https://site.example",
            "CLIENTS": [{"name": "default"}],
            "CARRIER": "none",
            **given,
        }
        found = run_checks(tags=["resend_confirmation"])
        return [str(message.id).removeprefix("resend_confirmation.") for message in found]

    return run


SHIPPED = path("api/", include("resend_confirmation.dialects.quiva"))
OURS = path("ours/", include(routes("resend", OurQuivaResend)))


def test_only_mounted_dialects(mount):
    """A dialect that is only imported, or whose subclass is mounted, does not count."""
    mount(SHIPPED)
    assert issubclass(OurQuivaResend, QuivaResend)
    assert strapi.StrapiResend.dialect == "strapi"
    assert mounted_dialects() == {"quiva": QuivaResend}
    mount(OURS)
    assert mounted_dialects() == {"quiva": OurQuivaResend}
    mount()
    assert mounted_dialects() == {}


def test_the_first_one_counts(mount):
    """Of two classes with the same name the first in the URLs counts."""
    mount(SHIPPED, OURS)
    assert mounted_dialects() == {"quiva": QuivaResend}
    mount(OURS, SHIPPED)
    assert mounted_dialects() == {"quiva": OurQuivaResend}


def test_variants(mount):
    """A variant counts if its name differs from that of the main class."""
    variants = {"2": OurQuivaResend, "3": NewQuivaResend}
    mount(path("api/", include(routes("resend", QuivaResend, header="V", variants=variants))))
    assert mounted_dialects() == {"quiva": QuivaResend, "quiva-new": NewQuivaResend}


def test_slashes(client, mount):
    """A slash may follow a route, and slashes may be repeated in a route of several parts."""
    mount(
        path("root", include(routes("", QuivaResend))),
        path("v1/", include(routes("resend", QuivaResend))),
        path("v2/", include(routes("resend.now/again", QuivaResend))),
        path("v3/", include(routes("resend/again", QuivaResend, slashed=False))),
        path("v4/", include(routes("<str:realm>/resend", QuivaResend, slashed=False))),
        path("v5/", include(routes("<str:realm>/resend", QuivaResend, name="realm"))),
    )
    found = {
        "/v4/a/resend": True,
        "/v4/a/resend/": False,
        "/v5/a/resend": True,
        "/v5/a/resend/": True,
        "/root": True,
        "/root/": True,
        "/root//": False,
        "/v1/resend": True,
        "/v1/resend/": True,
        "/v1//resend": False,
        "/v2/resend.now/again/": True,
        "/v2/resend.now//again/": True,
        "/v2///resend.now/again": True,
        "/v2/resend.now/again//": False,
        "/v2/resend-now//again": False,
        "/v3/resend/again": True,
        "/v3/resend/again/": False,
        "/v3/resend//again": True,
        "/v3/resend//again/": False,
    }
    statuses = {path: client.post(path, {}, "application/json").status_code for path in found}
    assert statuses == {path: 400 if is_ours else 404 for path, is_ours in found.items()}
    assert run_checks(tags=["urls"]) == []


def test_no_urls(settings):
    """A site without URLs mounts no dialect."""
    del settings.ROOT_URLCONF
    assert mounted_dialects() == {}


def test_urlconf_of_a_request(mount):
    """In a request with its own URLconf, that one's dialects count too, after the site's."""
    mount(SHIPPED)
    own: Any = (OURS, path("bare/", include("shop.bare_string")))
    set_urlconf(own)
    try:
        assert mounted_dialects() == {"quiva": QuivaResend, "bare-string": BareStringResend}
    finally:
        set_urlconf(None)
    assert mounted_dialects() == {"quiva": QuivaResend}


def test_the_urls_are_walked_once(mount, monkeypatch):
    """The dialects of a URLconf are determined once."""
    mount(SHIPPED)
    first = mounted_dialects()
    urlpatterns.append(OURS)
    urlpatterns.remove(SHIPPED)
    assert mounted_dialects() == first == {"quiva": QuivaResend}


def test_w013_imported_and_not_mounted(ids, mount):
    """W013: a setting names a dialect that is imported but not mounted."""
    mount(SHIPPED)
    assert quiva.QuivaResend.dialect == "quiva"
    assert ids(QUIET=["quiva"]) == []
    assert ids(QUIET=["strapi"]) == ["W013"]


def test_w037_one_name_twice(ids, mount):
    """W037: different dialects have the same name; variants and subclasses are allowed."""
    mount(SHIPPED, *routes("one", QuivaResend, header="V", variants={"2": OurQuivaResend}))
    assert ids() == []
    mount(SHIPPED, *routes("heir", type("Heir", (QuivaResend,), {})))
    assert ids() == []
    mount(SHIPPED, *routes("other", type("Other", (BareStringResend,), {"dialect": "quiva"})))
    assert ids() == ["W037"]
    mount(SHIPPED, OURS)
    assert ids() == ["W037"]
    (message,) = run_checks(tags=["resend_confirmation"])
    assert message.msg == (
        "Several dialects are mounted under the name 'quiva': "
        "resend_confirmation.dialects.quiva.resend.QuivaResend, "
        "tests.dialects.test_mounted.OurQuivaResend"
    )
    mount(OURS)
    assert ids() == []

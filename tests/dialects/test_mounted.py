"""The dialects that a site mounts: read from its URLs, not from what was imported."""

import pytest
from django.core.checks import run_checks
from django.urls import include, path, set_urlconf
from shop.bare_string import BareStringResend

from resend_confirmation.dialects import quiva, strapi
from resend_confirmation.dialects.base import mounted_dialects, routes
from resend_confirmation.dialects.quiva import QuivaResend

pytestmark = pytest.mark.django

#: The patterns of the site, which each test sets.
urlpatterns: list = []


class OurQuivaResend(QuivaResend):
    """A host's subclass under the same name, with another landing."""

    @classmethod
    def landing(cls, opened, client, url):
        return None


class NewQuivaResend(QuivaResend):
    """A host's subclass under another name."""

    dialect = "quiva-new"


@pytest.fixture
def mount(settings):
    """Return a function that mounts these patterns, and nothing else but the confirm pages."""

    def put(*patterns):
        urlpatterns[:] = [path("confirm/", include("resend_confirmation.views")), *patterns]
        settings.ROOT_URLCONF = "tests.dialects.test_mounted"

    yield put
    urlpatterns.clear()


@pytest.fixture
def ids(settings):
    """Return a function that returns the ids of the messages of the checks."""

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
    """A dialect that is imported and not mounted, or a subclass of one, does not count."""
    mount(SHIPPED)
    assert issubclass(OurQuivaResend, QuivaResend)
    assert strapi.StrapiResend.dialect == "strapi"
    assert mounted_dialects() == {"quiva": QuivaResend}
    mount(OURS)
    assert mounted_dialects() == {"quiva": OurQuivaResend}
    mount()
    assert mounted_dialects() == {}


def test_the_first_one_counts(mount):
    """Of two classes with one name, the first in the order of the URLs counts."""
    mount(SHIPPED, OURS)
    assert mounted_dialects() == {"quiva": QuivaResend}
    mount(OURS, SHIPPED)
    assert mounted_dialects() == {"quiva": OurQuivaResend}


def test_variants(mount):
    """A variant counts if its name differs from that of the class that it varies."""
    variants = {"2": OurQuivaResend, "3": NewQuivaResend}
    mount(path("api/", include(routes("resend", QuivaResend, header="V", variants=variants))))
    assert mounted_dialects() == {"quiva": QuivaResend, "quiva-new": NewQuivaResend}


def test_no_urls(settings):
    """A site without URLs mounts none."""
    del settings.ROOT_URLCONF
    assert mounted_dialects() == {}


def test_urlconf_of_a_request(mount):
    """In a request with a separate URLconf, the dialects in it count too."""
    mount(SHIPPED)
    set_urlconf("shop.bare_string")
    try:
        assert mounted_dialects() == {"quiva": QuivaResend, "bare-string": BareStringResend}
    finally:
        set_urlconf(None)
    assert mounted_dialects() == {"quiva": QuivaResend}


def test_the_urls_are_walked_once(mount, monkeypatch):
    """The dialects of a URLconf are read from it once."""
    mount(SHIPPED)
    first = mounted_dialects()
    urlpatterns.append(OURS)
    urlpatterns.remove(SHIPPED)
    assert mounted_dialects() == first == {"quiva": QuivaResend}


def test_w013_imported_and_not_mounted(ids, mount):
    """W013: a dialect that is imported and not mounted has no effect in the settings."""
    mount(SHIPPED)
    assert quiva.QuivaResend.dialect == "quiva"
    assert ids(QUIET=["quiva"]) == []
    assert ids(QUIET=["strapi"]) == ["W013"]


def test_w037_one_name_twice(ids, mount):
    """W037: several classes are mounted under one name; variants and subclasses do not count."""
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

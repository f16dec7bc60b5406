"""The test site's URLs, and a host's page that matches all paths with a language."""

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path


def page(request: HttpRequest) -> HttpResponse:
    """Return a page, as a content management system would."""
    return HttpResponse("the host's page")


urlpatterns = [path("", include("tests.urls")), *i18n_patterns(re_path("", page))]

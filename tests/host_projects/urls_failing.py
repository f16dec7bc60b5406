"""The test site's URLs, and a host's error pages that need the host's URLs."""

from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse

from tests.urls import urlpatterns as site_urls


def home(request: HttpRequest) -> HttpResponse:
    """Return the page that the error pages link to."""
    return HttpResponse("home")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the host's 400 page."""
    return HttpResponse(f"bad; go to {reverse('home')}", status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the host's 500 page."""
    return HttpResponse(f"sorry; go to {reverse('home')}", status=500)


handler400 = bad_request
handler500 = server_error

urlpatterns = [*site_urls, path("home/", home, name="home")]

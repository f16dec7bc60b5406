"""The test site's URLs, with error pages of the host's that need the host's own URLs."""

from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse

from tests.urls import urlpatterns as ours


def home(request: HttpRequest) -> HttpResponse:
    """The page that the host's error pages lead to."""
    return HttpResponse("home")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The host's page for 400."""
    return HttpResponse(f"bad; go to {reverse('home')}", status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """The host's page for 500."""
    return HttpResponse(f"sorry; go to {reverse('home')}", status=500)


handler400 = bad_request
handler500 = server_error

urlpatterns = [*ours, path("home/", home, name="home")]

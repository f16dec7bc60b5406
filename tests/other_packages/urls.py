"""The URLs of the test site and of the other packages."""

from django.contrib.auth import views
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from oauth2_provider.decorators import protected_resource

from tests.urls import urlpatterns as site_urls


@protected_resource(scopes=["read"])  # type: ignore[untyped-decorator]
def me(request: HttpRequest) -> HttpResponse:
    """Return the user name of the token's account."""
    return HttpResponse(request.resource_owner.username)  # type: ignore[attr-defined]


urlpatterns = [
    *site_urls,
    path("accounts/", include("allauth.urls")),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("me/", me),
    path(
        "reset/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(success_url="/", template_name="admin/base.html"),
    ),
]

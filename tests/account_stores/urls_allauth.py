"""The test site's URLs, and those of django-allauth and dj-rest-auth."""

from django.urls import include, path

from tests.urls import urlpatterns as ours

urlpatterns = [
    *ours,
    path("rest/", include("dj_rest_auth.urls")),
    path("rest/registration/", include("dj_rest_auth.registration.urls")),
    # Last: both name the page of a link, and allauth's own is meant.
    path("accounts/", include("allauth.urls")),
]

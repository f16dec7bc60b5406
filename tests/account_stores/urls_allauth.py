"""The URLs of the test site, django-allauth and dj-rest-auth."""

from django.urls import include, path

from tests.urls import urlpatterns as site_urls

urlpatterns = [
    *site_urls,
    path("rest/", include("dj_rest_auth.urls")),
    path("rest/registration/", include("dj_rest_auth.registration.urls")),
    # Last, since both packages use this URL name and allauth's page is needed.
    path("accounts/", include("allauth.urls")),
]

"""The URLs of the site's kind."""

from django.urls import include, path

from .settings import KIND

URLS = {
    "floors": ["tests.benchmarks.sites.floors"],
    "djoser": ["djoser.urls"],
    "dj-rest-auth": ["dj_rest_auth.registration.urls"],
    "allauth": ["allauth.headless.urls"],
    "ours": ["tests.urls"],
    "start": ["tests.benchmarks.sites.floors", "resend_confirmation.urls"],
}

urlpatterns = [path("", include(each)) for each in URLS[KIND]]

"""The URLs of the test site and django-registration-redux."""

from django.urls import include, path

from tests.urls import urlpatterns as site_urls

urlpatterns = [*site_urls, path("signup/", include("registration.backends.default.urls"))]

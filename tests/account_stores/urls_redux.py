"""The test site's URLs, and those of django-registration-redux."""

from django.urls import include, path

from tests.urls import urlpatterns as ours

urlpatterns = [*ours, path("signup/", include("registration.backends.default.urls"))]

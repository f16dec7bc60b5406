"""The test site's URLs below a path."""

from django.urls import include, path

urlpatterns = [path("login/v2/", include("tests.urls"))]

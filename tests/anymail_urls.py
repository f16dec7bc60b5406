"""The test site's URLs and the webhooks of django-anymail."""

from django.urls import include, path

from .urls import urlpatterns as site

urlpatterns = [*site, path("anymail/", include("anymail.urls"))]

"""The URLs of the test site, djoser and django-registration."""

from django.contrib.auth import views
from django.urls import include, path

from tests.urls import urlpatterns as site_urls

urlpatterns = [
    *site_urls,
    path("djoser/", include("djoser.urls")),
    path("djoser/", include("djoser.urls.authtoken")),
    path("signup/", include("django_registration.backends.activation.urls")),
    path("login/", views.LoginView.as_view()),
]

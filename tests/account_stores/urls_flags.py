"""The test site's URLs, and those of djoser and django-registration."""

from django.contrib.auth import views
from django.urls import include, path

from tests.urls import urlpatterns as ours

urlpatterns = [
    *ours,
    path("djoser/", include("djoser.urls")),
    path("djoser/", include("djoser.urls.authtoken")),
    path("signup/", include("django_registration.backends.activation.urls")),
    path("login/", views.LoginView.as_view()),
]

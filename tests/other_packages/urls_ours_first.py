"""All of our URLs, and then django-allauth's."""

from django.urls import include, path

urlpatterns = [
    path("", include("resend_confirmation.urls")),
    path("accounts/", include("allauth.urls")),
]

"""Our URLs, followed by django-allauth's."""

from django.urls import include, path

urlpatterns = [
    path("", include("resend_confirmation.urls")),
    path("accounts/", include("allauth.urls")),
]

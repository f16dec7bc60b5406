"""django-allauth's URLs, and then all of ours."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include("resend_confirmation.urls")),
]

"""django-allauth's URLs, followed by ours."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include("resend_confirmation.urls")),
]

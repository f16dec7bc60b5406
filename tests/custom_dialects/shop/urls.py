"""The host's URLs."""

from django.urls import include, path

urlpatterns = [
    path("confirm/", include("resend_confirmation.views")),
    path("", include("shop.acme")),
    path("", include("shop.put_query")),
    path("", include("shop.bare_string")),
    path("", include("shop.versioned")),
    path("", include("shop.targeted")),
]

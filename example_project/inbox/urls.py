"""The inbox page's addresses."""

from django.urls import path

from .views import html, inbox, message

app_name = "inbox"

urlpatterns = [
    path("", inbox, name="list"),
    path("<int:pk>/", message, name="message"),
    path("<int:pk>/html/", html, name="html"),
]

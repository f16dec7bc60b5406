"""The inbox page's addresses."""

from django.urls import path

from .views import html, inbox, message, news

app_name = "inbox"

urlpatterns = [
    path("", inbox, name="list"),
    path("news/", news, name="news"),
    path("<int:pk>/", message, name="message"),
    path("<int:pk>/html/", html, name="html"),
]

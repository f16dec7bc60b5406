"""The front page's address."""

from django.urls import path

from .views import front

app_name = "demo"

urlpatterns = [path("", front, name="front")]

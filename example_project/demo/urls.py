"""The addresses of the front page and of the landing page."""

from django.urls import path

from .views import front, landing

app_name = "demo"

urlpatterns = [
    path("", front, name="front"),
    path("landing/<str:name>/", landing, name="landing"),
]

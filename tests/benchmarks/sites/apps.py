"""The app of the user model."""

from django.apps import AppConfig


class SitesConfig(AppConfig):
    name = "tests.benchmarks.sites"
    label = "sites_of_benchmarks"

"""These tests need the apps of others, which the test site lacks: elsewhere they are passed by."""

from django.conf import settings

collect_ignore_glob = [] if "allauth" in settings.INSTALLED_APPS else ["test_*.py"]

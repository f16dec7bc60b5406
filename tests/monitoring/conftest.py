"""Skip these tests with the usual settings, which do not mount the metrics."""

from django.conf import settings

is_chosen = settings.SETTINGS_MODULE == "tests.monitoring.settings"
collect_ignore_glob = [] if is_chosen else ["test_*.py"]

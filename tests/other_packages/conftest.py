"""Skip these tests with the usual settings, which do not install the other packages."""

from django.conf import settings

collect_ignore_glob = [] if "allauth" in settings.INSTALLED_APPS else ["test_*.py"]

"""The application, with its URLs loaded, so that no worker's first request takes a second."""

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

application = get_wsgi_application()
assert get_resolver().url_patterns

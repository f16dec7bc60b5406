"""Load a site as a web process does; print its memory (MiB) and processor time (ms) as JSON."""

import json
import time

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from tests.benchmarks.sites import memory

if __name__ == "__main__":
    assert get_wsgi_application()
    assert get_resolver().url_patterns
    print(json.dumps({"memory": memory("VmRSS"), "cpu": time.process_time() * 1000}))

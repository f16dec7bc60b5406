"""The example site: every dialect mounted, on settings read from the environment."""

import os

if os.environ.get("CARRIER") == "celery":
    # The site's own Celery application must be the current one wherever a task is published.
    from .celery import app as celery_app

    __all__ = ["celery_app"]

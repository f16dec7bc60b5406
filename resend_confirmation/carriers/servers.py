"""Detection of web servers that do not run the threads of a carrier."""

import sys
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage

NO_THREADS = (
    "uWSGI runs this process without threads: the carrier's thread cannot run and nothing is sent"
)


def lacks_threads() -> bool:
    """Return whether this is a uWSGI process without ``enable-threads``."""
    # The module exists in uWSGI processes only.
    server: Any = sys.modules.get("uwsgi")
    if server is None:
        return False
    if (has_threads := getattr(server, "has_threads", None)) is not None:
        return not has_threads
    # Bytes or text, depending on the version.
    given = {
        name.decode() if isinstance(name, bytes) else name for name in getattr(server, "opt", {})
    }
    return not given & {"enable-threads", "threads"}


def check() -> list[CheckMessage]:
    """Return a warning if threads do not run."""
    if not lacks_threads():
        return []
    hint = 'Start uWSGI with "enable-threads = true", or choose another CARRIER.'
    return [checks.Warning(NO_THREADS, hint=hint, id="resend_confirmation.W036")]

"""Send requests as a web process does, and stay: ``python -m tests.faults.carried_asker 3``.

Its carrier needs the process. It prints ``asked`` once all requests were answered, then waits to be
stopped.
"""

import os
import sys
from threading import Event

if os.environ["FAULTS_CARRIER"] == "celery":
    from tests.faults import celery_app

    assert celery_app.app

from tests.faults import asker

if __name__ == "__main__":
    asker.main(int(sys.argv[1]), 0)
    sys.stdout.write("asked\n")
    sys.stdout.flush()
    Event().wait()

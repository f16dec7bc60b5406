"""The site of the timing benchmark: ``python -m tests.benchmarks.site``.

It creates tables and accounts (``--each``, ``--seed``), prints its port and serves until it is
killed. ``--count`` prints the states of the deliveries instead.

The server is Django's, with a thread for each connection. It is a single process, so the default
carrier's thread runs together with the requests; and it does little itself, so differences in time
are easier to detect.
"""

import argparse
import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db.models import Count  # noqa: E402

from resend_confirmation.models import Delivery  # noqa: E402

from .crowd import configure_site, people  # noqa: E402


class Handler(WSGIRequestHandler):
    """A request handler without a log and without delays."""

    # Headers and body are two small writes; the second must not wait for the ACK of the first.
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass


def serve(each, seed):
    """Create the database and serve forever."""
    call_command("migrate", verbosity=0)
    configure_site(people(seed, each))
    server = ThreadedWSGIServer(("127.0.0.1", 0), Handler)
    server.set_app(get_wsgi_application())
    print(server.server_port, flush=True)
    server.serve_forever()


def count():
    """Print the number of deliveries for each state and reason."""
    rows = Delivery.objects.values_list("state", "reason").annotate(Count("pk"))
    for state, reason, number in rows.order_by("state", "reason"):
        print(f"{number} {state} {reason}".strip())


def main():
    """Serve or count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", action="store_true")
    given = parser.parse_args()
    if given.count:
        return count()
    return serve(given.each, given.seed)


if __name__ == "__main__":
    sys.exit(main())

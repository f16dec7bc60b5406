"""``manage.py demo``: migrate, seed, print what to open and what to send, and serve."""

import errno
import logging
import os
import re
import signal
import socket
import threading
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.management.commands.runserver import naiveip_re
from django.db import close_old_connections, connections
from example.clients import clients_at

from demo import seeding, tables
from demo.calls import BULK_NEEDED, CALLS
from resend_confirmation import conf, engine
from resend_confirmation.deliveries.wake import wake

logger = logging.getLogger("resend_confirmation")

#: Seconds between two rounds of sending if there is no carrier.
PAUSE = 0.5
MAX_PORT = 65535
#: Addresses that mean 'every interface', and the one that a browser on this machine opens
#: instead. They are only compared with the command's argument, never listened on by default.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 # nosec B104


class Command(BaseCommand):
    """The whole demonstration in one process; Ctrl-C ends it."""

    help = "Migrates, seeds, prints what to open and what to send, and serves the example site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the address to serve at and the options for seeding."""
        parser.add_argument("addrport", nargs="?", default="127.0.0.1:8000", help="address:port")
        parser.add_argument(
            "--pending",
            type=int,
            default=BULK_NEEDED,
            metavar="N",
            help="how many accounts pending000001@example.com and so on to add",
        )
        parser.add_argument("--password", default="", help="set the admin's password to this")

    def handle(self, *, addrport: str, pending: int, password: str, **options: Any) -> None:
        """Run everything, and return when the server was stopped."""
        host, port = _free(addrport)
        base = f"http://{EVERYWHERE.get(host, host)}:{port}"
        _serve_links_at(base)
        call_command("migrate", verbosity=0, stdout=self.stdout)
        seeding.seed_accounts()
        seeding.seed_bulk(max(pending, BULK_NEEDED))
        self._tell(base, seeding.seed_admin(password))
        connections.close_all()
        _start_courier()
        # A service manager sends SIGTERM; treat it like Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        logging.getLogger("django.server").addFilter(_is_worth_reading)
        # Static files are served without DEBUG too.
        call_command("runserver", f"{host}:{port}", use_reloader=False, insecure_serving=True)

    def _tell(self, base: str, admin: str) -> None:
        inbox = [f"{base}/inbox/   the messages that were sent"] if settings.DEBUG else []
        lines = [
            "",
            tables.as_text(tables.ACCOUNT_COLUMNS, tables.account_rows()),
            "",
            tables.as_text(tables.CLIENT_COLUMNS, tables.client_rows()),
            "",
            "Open:",
            f"{base}/         a form for each request below, and where everything is",
            *inbox,
            f"{base}/docs/    the operations, described",
            f"{base}/admin/   {admin}",
            "",
            "Send, each for another account:",
            *[line for call in CALLS for line in (f"# {call.dialect}", call.curl(base))],
            "",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _free(addrport: str) -> tuple[str, int]:
    """Return the host and port to serve at; raise CommandError if they are not available."""
    found = re.match(naiveip_re, addrport)
    if found is None or int(found["port"]) > MAX_PORT:
        raise CommandError(f"{addrport!r} is not an address and port, such as 127.0.0.1:8000")
    host, port = found["addr"] or "127.0.0.1", int(found["port"])
    family = socket.AF_INET6 if found["ipv6"] else socket.AF_INET
    try:
        with socket.create_server((host.strip("[]"), port), family=family) as probe:
            return host, probe.getsockname()[1]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"{addrport} is in use by another program; choose a free port: "
                f"manage.py demo {host}:{port + 1}"
            ) from None
        raise CommandError(f"{addrport}: {error.strerror}") from None


def _serve_links_at(base: str) -> None:
    """Make messages and redirects lead to this server, unless the environment sets BASE_URL."""
    if "BASE_URL" not in os.environ:
        ours: dict[str, Any] = settings.RESEND_CONFIRMATION
        # Settings that are derived from the site's may have other clients.
        is_usual = ours["CLIENTS"] == clients_at(ours["BASE_URL"])
        moved = {"CLIENTS": clients_at(base)} if is_usual else {}
        settings.RESEND_CONFIRMATION = {**ours, "BASE_URL": base, **moved}
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, urlsplit(base).hostname]


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """Return whether a request is not one of the many that the inbox page's script makes."""
    return record.levelno > logging.INFO or "/inbox/news/" not in record.getMessage()


def _start_courier() -> None:
    """Send the messages that are due; without a carrier, poll for more."""
    if conf.get().CARRIER.name == "none":
        threading.Thread(target=_drain_forever, name="demo-courier", daemon=True).start()
    else:
        wake()


def _drain_forever() -> None:
    while True:
        close_old_connections()
        try:
            while not engine.drain().idle:
                pass
        except Exception:
            logger.exception("Sending failed; it will be retried")
        finally:
            connections.close_all()
        threading.Event().wait(PAUSE)

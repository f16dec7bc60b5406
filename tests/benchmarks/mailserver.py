"""A mail server in a separate process: ``python -m tests.benchmarks.mailserver fast``.

It is ``fast``, ``slow`` (half a second for each message) or ``failing`` (it refuses recipients
temporarily and permanently by turns). It prints its port and serves until it is killed.
"""

import asyncio
import sys
import threading

from tests.smtp_server import Server

SECONDS = 0.5


class Fast:
    """Accepts everything."""

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        return "250 OK"


class Slow:
    """Accepts everything after a delay."""

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        await asyncio.sleep(SECONDS)
        return "250 OK"


class Failing:
    """Refuses everything."""

    def __init__(self):
        self.refused = 0

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        self.refused += 1
        return "451 not now" if self.refused % 2 else "550 never"


MAILS = {"fast": Fast, "slow": Slow, "failing": Failing}


def main():
    """Serve."""
    controller = Server(MAILS[sys.argv[1]]())
    controller.start()
    print(controller.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())

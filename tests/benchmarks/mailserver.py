"""A mail server in a separate process: ``python -m tests.benchmarks.mailserver fast``.

It is ``fast``, ``slow`` (half a second for each message) or ``failing`` (it refuses recipients
temporarily and permanently by turns). A number is that of the milliseconds that a message takes; it
adds a plus to the file ``BENCHMARK_JOURNAL`` when a message arrives, and a minus when it is taken.
It prints its port and serves until it is killed.
"""

import asyncio
import os
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


class Counting:
    """Accepts everything after a delay, and counts it."""

    def __init__(self, milliseconds):
        self.seconds = milliseconds / 1000
        self.journal = os.open(
            os.environ["BENCHMARK_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT
        )

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        os.write(self.journal, b"+")
        if self.seconds:
            await asyncio.sleep(self.seconds)
        os.write(self.journal, b"-")
        return "250 OK"


MAILS = {"fast": Fast, "slow": Slow, "failing": Failing}


def main():
    """Serve."""
    kind = sys.argv[1]
    controller = Server(MAILS[kind]() if kind in MAILS else Counting(float(kind)))
    controller.start()
    print(controller.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())

"""The throughput of couriers: ``python -m tests.benchmarks.courier [--messages 600]``.

It starts a mail server that only counts, a PostgreSQL database, and then 1, 2 and 4 courier
processes. It prints a table of messages per second and the ratio to one courier. The ratios matter
most, since they are less dependent on the machine.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import django

django.setup()

from tests.faults.conftest import DATABASES, World, wait_until  # noqa: E402

COURIERS = (1, 2, 4)


def rate(messages, couriers):
    """Return the messages per second, from the first to the last."""
    with tempfile.TemporaryDirectory() as folder:
        url, drop = DATABASES["postgres"](Path(folder))
        world = World(url, Path(folder))
        try:
            world.serve()
            world.ask(messages)
            world.start_couriers(couriers, FAULTS_DEADLINE="30")
            wait_until(lambda: world.sink.messages, world.log_text)
            before, started = len(world.sink.messages), time.perf_counter()
            wait_until(lambda: len(world.sink.messages) == messages, world.log_text, 600)
            return (messages - before) / (time.perf_counter() - started)
        finally:
            world.stop()
            drop()


def main():
    """Run the benchmark and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=600)
    messages = parser.parse_args().messages
    print("| couriers | messages per second | ratio |")
    print("|---:|---:|---:|")
    first = None
    for couriers in COURIERS:
        found = rate(messages, couriers)
        first = first or found
        print(f"| {couriers} | {found:.0f} | {found / first:.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())

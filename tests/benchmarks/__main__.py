"""Run one benchmark: ``python -m tests.benchmarks NAME [options]``; NAME ``--help`` lists them.

It prints Markdown tables. With ``--json FILE`` it also writes the figures, and what they were
measured with. The exit code is 1 if a target is missed, 2 for wrong usage.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

BENCHMARKS = ("requests", "courier", "bulk", "growth", "start", "silence", "claim")


def main(arguments: list[str]) -> int:
    """Run the benchmark that the first argument names."""
    names = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names.add_argument("name", choices=BENCHMARKS)
    name = names.parse_args(arguments[:1]).name
    parser = argparse.ArgumentParser(prog=f"{names.prog} {name}", add_help=False)
    parser.add_argument("--database", choices=["sqlite", "postgres", "mariadb"], default="sqlite")
    parser.add_argument("--json", type=Path, metavar="FILE")
    # The settings read the name of the database when they are imported.
    os.environ["TEST_DATABASE"] = parser.parse_known_args(arguments[1:])[0].database
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    module = import_module(f"{__package__}.{name}")
    whole = argparse.ArgumentParser(prog=parser.prog, description=module.__doc__, parents=[parser])
    module.add_arguments(whole)
    given = whole.parse_args(arguments[1:])
    report = import_module(f"{__package__}.report").Report(name, vars(given))
    module.run(given, report)
    return int(report.finish(given.json))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

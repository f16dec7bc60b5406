"""Tests that need other apps or settings than this process has run in a separate one."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Starts the measurement of coverage. It slows down the start of each process, so that only tests
#: inherit it: servers and commands run the lines that tests run too.
COVERAGE = {name: os.environ.pop(name) for name in ["COVERAGE_PROCESS_START"] if name in os.environ}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with ``command`` from the root of the tests and return the finished process."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def assert_passes(settings: str, *files: str, **variables: str):
    """Assert that all tests of ``files`` pass under ``settings``, and none is skipped."""
    # All of the files' tests run, regardless of this process's markers.
    chosen = ["-m", "", f"--ds={settings}", *files, "--rootdir", str(ROOT)]
    # Plugins that they do not use, and other packages' migrations, take as long as many tests.
    command = ["-m", "pytest", "-q", "-p", "pytest_django.plugin", "--no-migrations", *chosen]
    done = run(*command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", **COVERAGE, **variables)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout

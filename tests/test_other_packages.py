"""Run the tests with other packages in a subprocess, since apps cannot be added later."""

import pytest

from .subprocesses import assert_passes

pytestmark = [pytest.mark.server, pytest.mark.django]


def test_other_packages():
    """The tests in ``other_packages`` pass, with warnings as errors."""
    # This process uses the other databases.
    assert_passes("tests.other_packages.settings", "tests/other_packages", TEST_DATABASE="sqlite")


def test_monitoring():
    """The tests in ``monitoring`` pass, with warnings as errors."""
    assert_passes("tests.monitoring.settings", "tests/monitoring", TEST_DATABASE="sqlite")

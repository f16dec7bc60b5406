"""Run the tests with other packages in a subprocess, since apps cannot be added later."""

import pytest

from .subprocesses import assert_passes

pytestmark = [pytest.mark.server, pytest.mark.django]


@pytest.mark.parametrize("name", ["test_oauth_toolkit", "test_paths", "test_tokens"])
def test_other_packages(name):
    """The tests in ``other_packages`` pass, with warnings as errors."""
    # This process uses the other databases.
    assert_passes(
        "tests.other_packages.settings", f"tests/other_packages/{name}.py", TEST_DATABASE="sqlite"
    )

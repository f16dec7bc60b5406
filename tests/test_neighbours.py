"""The tests beside other packages, in a process of its own, since apps cannot be added later."""

import pytest

from .subprocesses import assert_passes

pytestmark = pytest.mark.django


@pytest.mark.parametrize("name", ["test_oauth_toolkit", "test_paths", "test_tokens"])
def test_neighbours(name):
    """They pass with the other packages installed, warnings being errors there too."""
    # The other databases are this process's.
    assert_passes(
        "tests.neighbours.settings", f"tests/neighbours/{name}.py", TEST_DATABASE="sqlite"
    )

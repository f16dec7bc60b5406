"""Hosts that need a separate process."""

import pytest
from django.conf import settings

from tests.subprocesses import assert_passes

pytestmark = [pytest.mark.django, pytest.mark.server]

#: The tests to run in the other process.
TESTS = ("tests/host_projects/test_answers.py", "tests/host_projects/test_doors.py")


@pytest.mark.skipif(hasattr(settings, "HOST"), reason="this process is such a host")
@pytest.mark.parametrize(
    "site", ["nameless_users", "keyed_users", "naive_time", "two_databases", "closed_api"]
)
def test_site(site):
    """The tests pass in the other process, with warnings as errors."""
    assert_passes(f"tests.host_projects.sites.{site}", *TESTS)

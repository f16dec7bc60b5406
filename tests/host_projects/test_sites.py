"""The hosts that need a separate process, each with the answers, the links and the entry points."""

import pytest
from django.conf import settings

from tests.subprocesses import assert_passes

pytestmark = [pytest.mark.django, pytest.mark.server]

#: The tests to run there; the others here are for this process only.
TESTS = ("tests/host_projects/test_answers.py", "tests/host_projects/test_doors.py")


@pytest.mark.skipif(hasattr(settings, "HOST"), reason="this process is such a host")
@pytest.mark.parametrize(
    "site", ["nameless_users", "keyed_users", "naive_time", "two_databases", "closed_api"]
)
def test_site(site):
    """Everything passes there, warnings being errors there too."""
    assert_passes(f"tests.host_projects.sites.{site}", *TESTS)

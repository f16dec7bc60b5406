"""Schemathesis against the running example site: every answer is in its OpenAPI document."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import examples
from tests.demonstration import Site, running

pytestmark = pytest.mark.server

CONFIG = Path(__file__).with_name("schemathesis.toml")
#: A redirect in the configuration begins with this address.
USUAL = {"CARRIER": "none", "BASE_URL": "https://site.example"}
#: Seconds for one run, on a machine that is busy with something else.
DEADLINE = 300

OAUTH2 = "/api/oauth2/user/resend_confirmation_link"
JWT = "/api/user/resend_confirmation_link"
QUIVA = "/accounts/resend-confirmation"
BACKENDLESS = "/api/users/resendconfirmation"
STRAPI = "/auth/send-email-confirmation"
STRAPI_V4 = "/api/auth/send-email-confirmation"


def check(site: Site, *options: str) -> None:
    """Run Schemathesis against the site, with the same requests each time; it must find nothing."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "--no-color"),
            *("run", f"http://127.0.0.1:{site.port}/schema/?format=json"),
            *("--seed", os.environ.get("FUZZ_SEED", "1"), *options),
        ],
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Tested: 9" in ran.stdout
    assert "Traceback" not in site.output


def reached(site: Site) -> dict[str, set[int]]:
    """Return the statuses of the resend endpoints' answers, by path."""
    found: dict[str, set[int]] = {}
    for path, status in re.findall(r'"POST (/[^? ]*)[^"]*" (\d{3}) ', site.output):
        place = BACKENDLESS if path.startswith(BACKENDLESS) else path
        found.setdefault(place, set()).add(int(status))
    # No fuzzer guesses a token.
    assert found.pop("/accounts/confirm-email") <= {400, 429}
    return found


@pytest.fixture
def candid(tmp_path):
    """The example site without limits, so that earlier requests do not matter."""
    with running(tmp_path, **USUAL, THROTTLE="off", COOLDOWN="off") as site:
        yield site


def test_candid(candid):
    """Every status, content type, body and header is in the document, and nothing crashes."""
    check(candid, "--max-examples", str(examples(6)))
    found = reached(candid)
    # Otherwise the requests were too wild to come to anything.
    assert found[OAUTH2] >= {204, 400}
    assert found[JWT] >= {204, 400}
    assert found[QUIVA] >= {200, 400}
    assert found[BACKENDLESS] >= {200, 400}
    assert found[STRAPI] >= {200, 400}
    assert found[STRAPI_V4] >= {200, 400}
    assert not {status for statuses in found.values() for status in statuses if status >= 500}


@pytest.mark.parametrize(
    ("variables", "statuses"),
    [({"QUIET": "all", "THROTTLE": "off"}, {200, 204}), ({"THROTTLE": "5/m"}, {429})],
    ids=["quiet", "limited"],
)
def test_quiet_and_limited(tmp_path, variables, statuses):
    """The same holds with other settings."""
    with running(tmp_path, **USUAL, **variables) as site:
        check(site, "--max-examples", str(examples(3)), "--phases", "fuzzing")
        found = reached(site)
    assert len(found) == 6
    assert all(statuses & of_path for of_path in found.values())

"""Run the tests of the account stores in subprocesses, with each package installed."""

import pytest

from .subprocesses import assert_passes, run

pytestmark = [pytest.mark.server, pytest.mark.database, pytest.mark.django]


@pytest.mark.parametrize(
    ("site", "names"),
    [
        ("allauth", ["test_allauth", "test_allauth_sign_up", "test_dj_rest_auth"]),
        ("flags", ["test_djoser", "test_django_registration"]),
        ("redux", ["test_registration_redux"]),
    ],
    ids=["allauth", "flags", "redux"],
)
def test_stores(site, names):
    """The tests of each package's store pass, with warnings as errors."""
    files = [f"tests/account_stores/{name}.py" for name in names]
    assert_passes(f"tests.account_stores.settings_{site}", *files)


def test_store_is_loaded_with_django():
    """AllauthStore is imported when Django starts, so its receivers are connected."""
    look = "import sys; print('resend_confirmation.contrib.allauth' in sys.modules)"
    settings = "tests.account_stores.settings_allauth"
    done = run("-c", f"import django; django.setup(); {look}", DJANGO_SETTINGS_MODULE=settings)
    assert done.stdout.strip() == "True", done.stderr

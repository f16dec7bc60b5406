"""``manage.py resend_confirmation import --preset``: the columns of the vendors' exports."""

import json
from datetime import UTC, datetime

import pytest

from resend_confirmation.models import Confirmation
from tests.factories import UserFactory
from tests.test_command import Ran

pytestmark = pytest.mark.django_db

NAMES = ("pending", "confirmed", "blocked", "odd")
SINCE = datetime(2026, 11, 28, 8, 55, 6, 475000, tzinfo=UTC)
SKIPPED = "blocked@example.com: skipped, since blocked in the file"


@pytest.fixture
def bring(tmp_path):
    """Return a function that imports rows of four accounts with a preset."""
    for name in NAMES:
        UserFactory(username=name)

    def bring(preset, content, name):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return Ran("import", str(path), "--preset", preset)

    return bring


def test_strapi_export(bring):
    """Lines of ``entities`` are users or something else; ``null`` means unconfirmed."""

    def line(name, kind="plugin::users-permissions.user", **values):
        account = {
            "username": name,
            "email": f"{name}@example.com",
            "provider": "local",
            "confirmed": None,
            "blocked": False,
            "createdAt": "2026-11-28T08:55:06.475Z",
            "locale": None,
        }
        return json.dumps({"type": kind, "id": 1, "data": account | values}) + "\n"

    ran = bring(
        "strapi",
        line("pending")
        + line("confirmed", confirmed=True)
        + line("blocked", blocked=True)
        + line("odd", kind="api::article.article"),
        "entities_00001.jsonl",
    )
    assert ran.lines[0] == f"line 3: {SKIPPED}"
    assert ran.code == 0
    row = Confirmation.objects.get()
    assert (row.account.get_username(), row.requested_at) == ("pending", SINCE)


def test_strapi_table(bring):
    """The table has the names in snake case."""
    ran = bring(
        "strapi",
        "id,username,email,confirmed,blocked,created_at\n"
        "1,pending,pending@example.com,f,,2026-11-28 08:55:06.475+00\n"
        "2,blocked,blocked@example.com,f,t,2026-11-28 08:55:06.475+00\n",
        "up_users.csv",
    )
    assert (ran.lines[0], ran.code) == (f"line 3: {SKIPPED}", 0)
    assert Confirmation.objects.get().requested_at == SINCE


def test_backendless(bring):
    """The status decides; an unknown one is refused."""
    ran = bring(
        "backendless",
        "objectId,email,name,userStatus,created,blUserLocale\n"
        "A,pending@example.com,,EMAIL_CONFIRMATION_PENDING,1795856106475,de\n"
        "B,confirmed@example.com,,ENABLED,1795856106475,\n"
        "C,blocked@example.com,,DISABLED,1795856106475,\n"
        "D,odd@example.com,,GUEST,1795856106475,\n",
        "Users.csv",
    )
    assert ran.lines[:2] == [
        "line 5: odd@example.com: userStatus has an unknown value, 'GUEST'",
        f"line 4: {SKIPPED}",
    ]
    row = Confirmation.objects.get()
    assert (row.account.get_username(), row.language, row.requested_at) == ("pending", "de", SINCE)


@pytest.mark.parametrize(
    ("values", "is_skipped"),
    [
        ({"ban": {"date_from": "2026-01-01T00:00:00Z", "date_to": None}}, True),
        ({"ban": {"date_to": "2999-01-01T00:00:00+00:00"}}, True),
        ({"ban": [{"date_to": "2020-01-01T00:00:00"}, {"date_to": "2999-01-01"}]}, True),
        ({"ban": "fraud"}, True),
        ({"is_user_active": False}, True),
        ({"ban": {"date_to": "2020-01-01T00:00:00Z"}, "is_user_active": True}, False),
        ({"ban": [], "is_user_active": None}, False),
        ({"ban": None}, False),
    ],
)
def test_xsolla_api(bring, values, is_skipped):
    """A ban counts until it ends."""
    row = {
        "id": "1",
        "email": "blocked@example.com",
        "is_last_email_confirmed": None,
        "registered": "2026-11-28T08:55:06.475+00:00",
    }
    ran = bring("xsolla", json.dumps(row | values), "users.jsonl")
    assert (ran.lines[0], ran.code) == (
        f"line 1: {SKIPPED}" if is_skipped else "made pending: 1",
        0,
    )


def test_xsolla_columns(bring):
    """The columns of the import have other names."""
    ran = bring(
        "xsolla",
        "email,email_verified,is_active,is_banned\n"
        "pending@example.com,false,true,false\n"
        "confirmed@example.com,true,true,false\n"
        "blocked@example.com,false,false,false\n"
        "odd@example.com,false,perhaps,false\n",
        "users.csv",
    )
    assert ran.lines[:2] == [
        "line 5: odd@example.com: is_active has an unknown value, 'perhaps'",
        f"line 4: {SKIPPED}",
    ]
    assert [row.account.get_username() for row in Confirmation.objects.all()] == ["pending"]

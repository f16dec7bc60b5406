"""Commands of the example site, in processes of their own."""

import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.auth.hashers import check_password

from tests.demonstration import manage

pytestmark = pytest.mark.server


def test_production_needs_secret_key(tmp_path):
    """Without DEBUG there is no published default key."""
    ended = manage(tmp_path, "check", DEBUG="false")
    assert ended.returncode == 1
    assert "SECRET_KEY" in ended.stderr


def _rows(folder: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(folder / "site.sqlite3")) as database:
        return database.execute(statement).fetchall()


USERS = "SELECT username, email, is_active FROM auth_user ORDER BY username"
STATES = (
    "SELECT address, state FROM resend_confirmation_confirmation"
    " WHERE address NOT LIKE 'pending0%' ORDER BY address"
)


def test_seeded_languages(tmp_path):
    """Accounts that signed up at a client, in a language, have both."""
    assert manage(tmp_path, "migrate", "--verbosity=0").returncode == 0
    assert manage(tmp_path, "seed_demo").returncode == 0
    statement = (
        "SELECT address, client, language FROM resend_confirmation_confirmation"
        " WHERE language != '' ORDER BY address"
    )
    assert _rows(tmp_path, statement) == [
        ("chloe@example.com", "arcade", "fr"),
        ("joao@example.com", "game", "pt-br"),
        ("lena@example.com", "arcade", "de"),
        ("pablo@example.com", "game", "es"),
    ]


def test_seed_twice_is_seed_once(tmp_path):
    """A second run creates nothing, changes nothing, and says that admin exists."""
    assert manage(tmp_path, "migrate", "--verbosity=0").returncode == 0
    first = manage(tmp_path, "seed_demo", "--pending", "3")
    assert (first.returncode, first.stderr) == (0, "")
    assert re.search(r"^admin: user admin, password \S{16}$", first.stdout, re.MULTILINE)
    assert _rows(tmp_path, USERS) == [
        ("7001", "number@example.com", 1),
        ("admin", "admin@site.example", 1),
        ("blocked", "blocked@example.com", 0),
        ("chloe", "chloe@example.com", 1),
        ("confirmed", "confirmed@example.com", 1),
        ("joao", "joao@example.com", 1),
        ("lena", "lena@example.com", 1),
        ("pablo", "pablo@example.com", 1),
        ("pending", "pending@example.com", 1),
        ("pending000001", "pending000001@example.com", 1),
        ("pending000002", "pending000002@example.com", 1),
        ("pending000003", "pending000003@example.com", 1),
        ("pending_upper", "Pending.Upper@Example.com", 1),
        ("plus", "plus+tag@example.com", 1),
        ("umlaut", "grüße@bücher.example", 1),
    ]
    assert _rows(tmp_path, STATES) == [
        ("Pending.Upper@Example.com", "pending"),
        ("blocked@example.com", "pending"),
        ("chloe@example.com", "pending"),
        ("confirmed@example.com", "confirmed"),
        ("grüße@bücher.example", "pending"),
        ("joao@example.com", "pending"),
        ("lena@example.com", "pending"),
        ("number@example.com", "pending"),
        ("pablo@example.com", "pending"),
        ("pending@example.com", "pending"),
        ("plus+tag@example.com", "pending"),
    ]
    everything = [
        "SELECT * FROM auth_user ORDER BY id",
        "SELECT * FROM resend_confirmation_confirmation ORDER BY id",
    ]
    before = [_rows(tmp_path, statement) for statement in everything]

    second = manage(tmp_path, "seed_demo", "--pending", "3")
    assert second.returncode == 0
    assert "admin: user admin exists" in second.stdout
    assert [_rows(tmp_path, statement) for statement in everything] == before


def test_seeded_in_bulk_is_as_started_one_by_one(tmp_path):
    """Rows created in bulk differ from those of ``start()`` only in their account."""
    assert manage(tmp_path, "migrate", "--verbosity=0").returncode == 0
    assert manage(tmp_path, "seed_demo", "--pending", "1000").returncode == 0
    # The first account of a bulk was started as usual, the last was copied; more came later.
    assert manage(tmp_path, "seed_demo", "--pending", "1003").returncode == 0
    own = {"id", "account_id", "address", "fingerprint", "selector", "cooldown_id", "requested_at"}
    with closing(sqlite3.connect(tmp_path / "site.sqlite3")) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute(
            "SELECT c.*, u.email FROM resend_confirmation_confirmation c"
            " JOIN auth_user u ON u.id = c.account_id WHERE u.username LIKE 'pending0%'"
        ).fetchall()
        started = database.execute(
            "SELECT *, '' AS email FROM resend_confirmation_confirmation"
            " WHERE address = 'pending@example.com'"
        ).fetchone()
    assert len(rows) == 1003
    assert {row["address"] for row in rows} == {
        f"pending{number:06}@example.com" for number in range(1, 1004)
    }
    assert all(row["address"] == row["email"] for row in rows)
    for name in ("fingerprint", "selector", "cooldown_id"):
        assert len({row[name] for row in rows}) == 1003
        assert {len(row[name]) for row in rows} == {len(started[name])}
    last = next(row for row in rows if row["address"] == "pending001003@example.com")
    assert last["fingerprint"] == hashlib.sha256(b"pending001003@example.com").hexdigest()
    alike = [name for name in started.keys() if name not in own | {"email"}]  # noqa: SIM118
    assert {tuple(row[name] for name in alike) for row in rows} == {
        tuple(started[name] for name in alike)
    }


def test_seed_sets_admins_password(tmp_path, settings):
    """``--password`` sets the admin's password, the first time and later."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    assert manage(tmp_path, "migrate", "--verbosity=0").returncode == 0
    for password in ("the first one", "the second one"):
        assert manage(tmp_path, "seed_demo", "--password", password).returncode == 0
        ((stored,),) = _rows(tmp_path, "SELECT password FROM auth_user WHERE username = 'admin'")
        assert check_password(password, stored)

"""Accounts in Xsolla Login's API, and in the columns of its import.

https://developers.xsolla.com/doc/login/features/user-data-import-and-export/
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..base import Column, Export

_YES = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}


def _is_false(value: Any) -> bool:
    """Return whether the account is not active; an empty value means active."""
    text = str(value).strip().lower()
    return text not in {"", "none"} and not _YES[text]


def _is_banned(value: Any) -> bool:
    """Return whether a ban, or one of a list of bans, has not ended."""
    bans = value if isinstance(value, list) else [value] if value else []
    return any(not _is_over(ban) for ban in bans)


def _is_over(ban: Any) -> bool:
    end = ban.get("date_to") if isinstance(ban, Mapping) else None
    if not isinstance(end, str) or not end:
        return False
    moment = datetime.fromisoformat(end)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < datetime.now(tz=UTC)


EXPORT = Export(
    {
        "email": [Column("email")],
        "username": [Column("username")],
        "confirmed": [Column("email_verified"), Column("is_last_email_confirmed")],
        "blocked": [
            Column("is_banned"),
            Column("ban", _is_banned),
            Column("is_active", _is_false),
            Column("is_user_active", _is_false),
        ],
        "registered_at": [Column("registered")],
    }
)

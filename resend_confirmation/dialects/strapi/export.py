"""Accounts in Strapi's export, and in its tables ``up_users`` and ``users-permissions_user``.

https://docs.strapi.io/cms/data-management/export
"""

from collections.abc import Mapping
from typing import Any

from ..base import Column, Export

_USER = "plugin::users-permissions.user"


def _is_user(row: Mapping[str, Any]) -> bool:
    """Return whether a line of ``entities`` is a user; the rows of a table have no type."""
    return bool(row.get("type", _USER) == _USER)


EXPORT = Export(
    {
        "email": [Column("data.email"), Column("email")],
        "username": [Column("data.username"), Column("username")],
        "confirmed": [Column("data.confirmed"), Column("confirmed")],
        "blocked": [Column("data.blocked"), Column("blocked")],
        "registered_at": [
            Column("data.createdAt"),
            Column("createdAt"),
            Column("created_at"),
        ],
    },
    _is_user,
)

"""Check of the user table: looking a user up by address must not read all of it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core import checks
from django.core.checks import CheckMessage, Tags
from django.db import router

from .. import accounts
from .registry import ID, bind

#: With fewer users, reading the table takes milliseconds.
MANY = 10_000
#: Steps of plans that read a whole table, as PostgreSQL, SQLite, MariaDB and MySQL name them.
_READS_ALL = re.compile(r"Seq Scan|\bSCAN\b|\bALL\b|Table scan")


@bind(Tags.database, deploy=True)
def check_index(databases: Sequence[str] | None = None, **_: Any) -> Iterator[CheckMessage]:
    """Yield a warning if many users are looked up by address without an index."""
    model: Any = get_user_model()
    alias = router.db_for_write(model)
    looks_up_users = type(accounts.store()) in {accounts.ConfirmationStore, accounts.FlagStore}
    if alias not in (databases or ()) or not looks_up_users:
        return
    users = model._base_manager.using(alias).order_by()
    if not users[MANY:].exists():
        return
    found = users.filter(**{f"{model.get_email_field_name()}__iexact": "nobody@example.com"})
    if _READS_ALL.search(found.explain()):
        yield checks.Warning(
            "Users are looked up by address without an index",
            hint='Add one for look-ups without regard to case: see "Many users" in the '
            'documentation, in "Add it to an existing site".',
            id=f"{ID}.W038",
        )

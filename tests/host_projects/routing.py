"""A host's routers: users and their related models in a separate database."""

from typing import Any

#: Users, and the apps whose tables refer to them.
PEOPLE = {"admin", "auth", "contenttypes", "resend_confirmation"}


class PeopleRouter:
    """Keeps users and ours together; nothing of either is in the default database."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the database to read ``model`` from."""
        return "people" if model._meta.app_label in PEOPLE else "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return the database of ``model``."""
        return "people" if model._meta.app_label in PEOPLE else "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        """A row read from the replica is the same row."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Each table is in one database alone, and in its copy."""
        return (db != "default") is (app_label in PEOPLE)


class CopyRouter(PeopleRouter):
    """Reads people and ours from the copy, to which nothing ever comes: it lags for good."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the database to read ``model`` from."""
        return "copy" if model._meta.app_label in PEOPLE else "default"


class ApartRouter(PeopleRouter):
    """Keeps users and ours apart, which no database can join."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the database to read ``model`` from."""
        return "people" if model._meta.app_label == "auth" else "default"

    db_for_write = db_for_read

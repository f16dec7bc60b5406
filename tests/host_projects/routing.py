"""A host's routers, which store users and related models in a separate database."""

from typing import Any

#: The apps of users and of tables that refer to them.
PEOPLE = {"admin", "auth", "contenttypes", "resend_confirmation"}


class PeopleRouter:
    """Stores users and our models together, but not in the default database."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the database to read ``model`` from."""
        return "people" if model._meta.app_label in PEOPLE else "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return the database of ``model``."""
        return "people" if model._meta.app_label in PEOPLE else "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        """Allow relations between the database and its replica."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Create each table in one database and its replica."""
        return (db != "default") is (app_label in PEOPLE)


class CopyRouter(PeopleRouter):
    """Reads users and our models from a replica that never receives any data."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the database to read ``model`` from."""
        return "copy" if model._meta.app_label in PEOPLE else "default"


class ApartRouter(PeopleRouter):
    """Stores users and our models in different databases, which is an error."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the database to read ``model`` from."""
        return "people" if model._meta.app_label == "auth" else "default"

    db_for_write = db_for_read

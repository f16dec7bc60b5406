"""Reading rows from the database that they are written to, not from a replica."""

from typing import TypeVar

from django.db import models, router

M = TypeVar("M", bound=models.Model)


class PrimaryManager(models.Manager[M]):
    """Reads from the database that is written to.

    Decisions depend on current rows: a replica may not have a sign-up yet, or still have a link
    that is spent. ``using`` and ``db_manager`` choose another database as usual.
    """

    def get_queryset(self) -> models.QuerySet[M]:
        return super().get_queryset().using(self._db or router.db_for_write(self.model))

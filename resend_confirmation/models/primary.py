"""Reading rows from where they are written, whatever a host's router says of reads."""

from typing import TypeVar

from django.db import models, router

M = TypeVar("M", bound=models.Model)


class PrimaryManager(models.Manager[M]):
    """Reads from the database that is written to.

    What is decided here depends on rows of this moment: a replica may not have a sign-up yet, or
    still have a link that is spent. ``using`` and ``db_manager`` say otherwise, as ever.
    """

    def get_queryset(self) -> models.QuerySet[M]:
        """All rows, of the database that the router writes them to."""
        return super().get_queryset().using(self._db or router.db_for_write(self.model))

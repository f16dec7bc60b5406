"""The user model of every site: Django's, with an index on the address."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Visitor(AbstractUser):
    """A user whose address is unique, and a count that one of the floors updates."""

    email = models.EmailField(unique=True)
    sends = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "sites_of_benchmarks"

"""Users with a UUID as the primary key."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    """Django's user with another primary key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

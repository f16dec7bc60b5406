"""Users whose primary key is a UUID."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    """Django's user under another kind of key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

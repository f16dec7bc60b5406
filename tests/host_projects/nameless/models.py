"""Users who log in with their address and have no user name."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models


class PlayerManager(BaseUserManager["Player"]):
    """Creates players by their address."""

    def create_superuser(self, email: str, password: str, **more: Any) -> "Player":
        """Create a superuser."""
        player = self.model(email=email, is_staff=True, is_superuser=True, **more)
        player.set_password(password)
        player.save(using=self._db)
        return player


class Player(AbstractUser):
    """Django's user without a user name."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = PlayerManager()  # type: ignore[assignment]

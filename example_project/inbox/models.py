"""Message: what was sent, as a mailbox keeps it."""

from typing import ClassVar

from django.db import models


class Message(models.Model):
    """One message to one recipient."""

    recipient = models.CharField(max_length=320)
    sender = models.CharField(max_length=320)
    subject = models.CharField(max_length=998, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    raw = models.TextField(blank=True)
    received_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Message"]] = models.Manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.subject} ({self.recipient})"

"""Message: what was sent, as a mailbox keeps it."""

from typing import ClassVar

from demo.languages import language_name
from django.db import models


class Message(models.Model):
    """One message to one recipient."""

    recipient = models.CharField(max_length=320)
    sender = models.CharField(max_length=320)
    subject = models.CharField(max_length=998, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    raw = models.TextField(blank=True)
    #: The names are empty for messages that were not requested through a dialect or by a client.
    dialect = models.CharField(max_length=100, blank=True)
    client = models.CharField(max_length=100, blank=True)
    language = models.CharField(max_length=100, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Message"]] = models.Manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.subject} ({self.recipient})"

    @property
    def language_name(self) -> str:
        """The language's name in that language."""
        return language_name(self.language)

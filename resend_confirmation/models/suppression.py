"""Suppression: an address that gets no more messages, after a hard bounce or a spam report."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..database import PrimaryManager


class Suppression(models.Model):
    """Why and since when nothing is sent to an address; staff can lift it."""

    class Why(models.TextChoices):
        BOUNCED = "bounced", _("bounced")
        COMPLAINED = "complained", _("reported as spam")
        BY_HAND = "by_hand", _("by hand")

    digest = models.CharField(max_length=64, unique=True)
    #: The fingerprint of the address, readable only with the key; empty in rows of older versions.
    sealed = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    why = models.CharField(_("reason"), max_length=16, choices=Why)
    since = models.DateTimeField(_("since"))
    detail = models.CharField(_("detail"), max_length=200, blank=True)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")

    def __str__(self) -> str:
        return f"{self.digest[:8]}… ({self.get_why_display()})"

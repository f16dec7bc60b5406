"""Cooldown: the recent requests for one address, whether it is known or not."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..database import PrimaryManager


class Cooldown(models.Model):
    """Windows and counts of one address, named by a keyed digest of its canonical form."""

    digest = models.CharField(primary_key=True, max_length=64)
    last_at = models.DateTimeField(_("last started at"))
    hour_from = models.DateTimeField()
    hour_count = models.PositiveIntegerField()
    day_from = models.DateTimeField()
    day_count = models.PositiveIntegerField()
    #: When the send of the newest message to the address ended; during a send, when its
    #: courier's lease ends. Null if none can have been sent.
    sent_at = models.DateTimeField(null=True)
    #: The key of the delivery that ``sent_at`` is about, which alone may be repeated at once.
    holder = models.BigIntegerField(null=True)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("cooldown")
        verbose_name_plural = _("cooldowns")
        # Of the times by which rows are pruned, the one that changes only once a day.
        indexes = [models.Index(fields=["day_from"], name="resend_conf_cooldown_day")]

    def __str__(self) -> str:
        return f"{self.digest[:8]}…"

"""HourlyCount: how many deliveries were requested within an hour, and what became of them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..database import PrimaryManager


class HourlyCount(models.Model):
    """The deliveries of an hour, a client and a dialect, counted while their rows exist."""

    #: The beginning of the hour in which the deliveries were requested.
    hour = models.DateTimeField(_("hour"))
    client = models.CharField(_("client"), max_length=100, blank=True)
    dialect = models.CharField(_("dialect"), max_length=50, blank=True)
    asked = models.PositiveIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0)
    bounced = models.PositiveIntegerField(default=0)
    complained = models.PositiveIntegerField(default=0)
    confirmed = models.PositiveIntegerField(default=0)
    #: Those of ``confirmed`` that were confirmed so soon after the message.
    confirmed_in_minutes = models.PositiveIntegerField(default=0)
    confirmed_in_an_hour = models.PositiveIntegerField(default=0)
    confirmed_in_a_day = models.PositiveIntegerField(default=0)
    #: When the hour was last counted. Each counted hour has a row without client and dialect.
    counted_at = models.DateTimeField()

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("hourly count")
        verbose_name_plural = _("hourly counts")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "client", "dialect"], name="resend_conf_hourly_count"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} {self.client} {self.dialect}".strip()

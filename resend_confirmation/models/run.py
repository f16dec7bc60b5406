"""Run: one bulk resend, which writes to each account once."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..database import PrimaryManager


class Run(models.Model):
    """A bulk resend; its deliveries are the record of whom it wrote to."""

    name = models.CharField(_("name"), max_length=64)
    started_at = models.DateTimeField(_("started at"))
    queued = models.PositiveIntegerField(_("messages queued"), default=0)
    #: When the next message is due, if the run has a rate.
    next_at = models.DateTimeField(null=True, editable=False)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("bulk run")
        verbose_name_plural = _("bulk runs")
        constraints = [models.UniqueConstraint(fields=["name"], name="resend_conf_run_name")]

    def __str__(self) -> str:
        return self.name

"""Run: a bulk resend, or an action of staff on many confirmations."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..database import PrimaryManager
from ..outcomes import RunAction


class Run(models.Model):
    """A bulk resend, which writes to each account once, or an action on selected confirmations.

    The deliveries of a resend are the record of whom it wrote to.
    """

    name = models.CharField(_("name"), max_length=64)
    started_at = models.DateTimeField(_("started at"))
    queued = models.PositiveIntegerField(_("messages queued"), default=0)
    #: When the next message is due, if the run has a rate.
    next_at = models.DateTimeField(null=True, editable=False)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)
    action = models.CharField(
        _("action"),
        max_length=16,
        choices=RunAction,
        default=RunAction.RESEND,
        db_default=RunAction.RESEND,
    )
    #: The keys of the confirmations that staff selected, with commas between them, until the last
    #: one is processed. On SQLite, the check of a JSON field would create the database.
    selection = models.TextField(blank=True, default="", db_default="", editable=False)
    size = models.PositiveIntegerField(_("selected"), default=0, db_default=0)
    position = models.PositiveIntegerField(_("processed"), default=0, db_default=0)
    done = models.PositiveIntegerField(_("successful"), default=0, db_default=0)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("started by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    #: The text of the log entries.
    entry = models.CharField(max_length=500, blank=True, default="", db_default="", editable=False)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("bulk run")
        verbose_name_plural = _("bulk runs")
        constraints = [models.UniqueConstraint(fields=["name"], name="resend_conf_run_name")]

    def __str__(self) -> str:
        return self.name

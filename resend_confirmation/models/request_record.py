"""RequestRecord: how a request to resend ended, found by a digest of the identity as typed."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..database import PrimaryManager
from ..outcomes import TOLD
from .delivery import Delivery


class RequestRecord(models.Model):
    """One request whose identity was looked up, without the identity; for staff only."""

    #: Keyed digest of the canonical identity. Half of it is enough to tell identities apart.
    digest = models.CharField(max_length=32, editable=False)
    asked_at = models.DateTimeField(_("requested at"))
    dialect = models.CharField(_("dialect"), max_length=50, blank=True)
    client = models.CharField(_("client"), max_length=100, blank=True)
    #: Why the request was refused; empty if it has a delivery, whose state says how it ended.
    reason = models.CharField(
        _("reason"),
        max_length=32,
        choices=[(reason.value, reason.label) for reason in TOLD],
        blank=True,
    )
    #: No constraint: deliveries are deleted with their accounts.
    delivery = models.ForeignKey(
        Delivery,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("delivery"),
    )

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        indexes = [
            models.Index(fields=["digest", "asked_at"], name="resend_conf_request_digest"),
            models.Index(fields=["asked_at"], name="resend_conf_request_asked"),
        ]

    def __str__(self) -> str:
        return f"{self.digest[:8]}…"

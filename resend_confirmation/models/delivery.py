"""Delivery: one message, from its request to its final state; the outbox."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..database import PrimaryManager
from ..outcomes import DeliveryState, Origin, Priority, Reason
from .confirmation import Confirmation
from .run import Run


class Delivery(models.Model):
    """One row of the outbox: written with the request, sent after the commit; no body, no token."""

    confirmation = models.ForeignKey(
        Confirmation,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="deliveries",
        verbose_name=_("confirmation"),
    )
    dialect = models.CharField(_("dialect"), max_length=50, blank=True)
    client = models.CharField(_("client"), max_length=100, blank=True)
    #: The id of a registered redirect, never the URL in a request.
    redirect = models.CharField(_("redirect"), max_length=64, blank=True)
    client_state = models.CharField(max_length=512, blank=True, editable=False)
    payload = models.TextField(blank=True, editable=False)
    language = models.CharField(_("language"), max_length=16, blank=True)
    origin = models.PositiveSmallIntegerField(
        _("origin"), choices=Origin, default=Origin.REQUEST, editable=False
    )
    #: The default of the database is for processes of the version before this column.
    priority = models.PositiveSmallIntegerField(
        default=Priority.PEOPLE, db_default=Priority.PEOPLE, editable=False
    )
    #: Looked up by the confirmation. An index would slow down each request.
    run = models.ForeignKey(
        Run,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("bulk run"),
    )
    #: The browser's language, used if neither the call nor the sign-up named one.
    accept_language = models.CharField(max_length=16, blank=True, editable=False)
    #: The identity that the caller typed; erased once it is resolved.
    identity = models.CharField(max_length=255, blank=True, editable=False)

    generation = models.PositiveIntegerField(null=True, editable=False)
    token_digest = models.CharField(max_length=64, blank=True, editable=False)
    link_expires_at = models.DateTimeField(_("link expires at"), null=True, blank=True)

    state = models.CharField(_("state"), max_length=16, choices=DeliveryState)
    reason = models.CharField(_("reason"), max_length=32, choices=Reason, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("due at"))
    lease_owner = models.CharField(max_length=64, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    #: When the message was last handed to the mail server; a fault before that is not ambiguous.
    handed_at = models.DateTimeField(null=True, editable=False)
    #: The number of ambiguous attempts: the message may have been sent.
    doubts = models.PositiveSmallIntegerField(_("uncertain attempts"), default=0)
    message_id = models.CharField(_("Message-ID"), max_length=255, blank=True)
    provider_id = models.CharField(_("provider's id"), max_length=255, blank=True)
    error_class = models.CharField(_("error"), max_length=100, blank=True)
    error_code = models.CharField(_("error code"), max_length=32, blank=True)
    #: The reply of the recipient's mail server, without addresses. The default of the database is
    #: for processes of the version before this column.
    error_text = models.CharField(_("reply"), max_length=200, blank=True, default="", db_default="")

    #: When this message's slot of the address's cooldown was taken; null until there is one.
    slot_at = models.DateTimeField(null=True, editable=False)

    asked_at = models.DateTimeField(_("requested at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            # The key is included, so that the most overdue row of a priority is the first entry
            # without sorting.
            # No other index begins with the state: with outdated statistics, a planner takes the
            # rows of a state for few, and sorts millions of them.
            models.Index(
                fields=["state", "priority", "not_before", "id"], name="resend_conf_delivery_next"
            ),
            models.Index(fields=["asked_at"], name="resend_conf_delivery_asked"),
            # On PostgreSQL, db_index would add a second one for LIKE to each.
            models.Index(fields=["token_digest"], name="resend_conf_delivery_token"),
            models.Index(fields=["provider_id"], name="resend_conf_delivery_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} ({self.get_state_display()})"

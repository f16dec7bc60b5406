"""Confirmation: the proof, pending until made, that an address belongs to an account."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..addresses import Address
from ..database import PrimaryManager
from ..outcomes import ConfirmationState, DeliveryState
from .cooldown import Cooldown


class Confirmation(models.Model):
    """One account's confirmation of one address; pending is a state, not 'inactive'."""

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="resend_confirmations",
        verbose_name=_("account"),
    )
    address = models.EmailField(_("address"), max_length=320)
    #: SHA-256 of the canonical address: databases differ in the letters that they treat as equal.
    fingerprint = models.CharField(max_length=64, editable=False)
    #: The cooldown of the address, so that one statement reads both. No constraint: cooldowns
    #: are pruned, and a missing one means that nothing was requested for a long time.
    cooldown = models.ForeignKey(
        Cooldown,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        editable=False,
        related_name="+",
    )
    client = models.CharField(_("client"), max_length=100, blank=True)
    state = models.CharField(
        _("state"),
        max_length=16,
        choices=ConfirmationState,
        default=ConfirmationState.PENDING,
    )
    #: Part of every link; replaced when the confirmation is withdrawn, which invalidates them all.
    selector = models.CharField(max_length=32, editable=False)
    generation = models.PositiveIntegerField(default=0, editable=False)
    language = models.CharField(_("language"), max_length=16, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    requested_at = models.DateTimeField(_("requested at"))
    confirmed_at = models.DateTimeField(_("confirmed at"), null=True, blank=True)
    #: Whether staff confirmed or withdrew it. Only they can open it again.
    by_hand = models.BooleanField(_("by hand"), default=False, db_default=False, editable=False)
    #: When the recipient pressed "This was not me" on the page.
    disowned_at = models.DateTimeField(_("disowned at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("newest link expires at"), null=True, blank=True)
    sends = models.PositiveIntegerField(_("messages sent"), default=0)
    #: Counted here, since deliveries are pruned. The database's default is for processes of the
    #: version before this column.
    reminders = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    last_sent_at = models.DateTimeField(_("last sent at"), null=True, blank=True)
    last_delivery_state = models.CharField(
        _("last delivery"), max_length=16, choices=DeliveryState, blank=True
    )

    objects = PrimaryManager()

    #: The address, as last parsed.
    _parsed: Address | None = None

    class Meta:
        verbose_name = _("confirmation")
        verbose_name_plural = _("confirmations")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "fingerprint"], name="resend_confirmation_one_per_address"
            )
        ]
        indexes = [
            models.Index(fields=["state", "requested_at"], name="resend_conf_state_requested"),
            # On PostgreSQL, db_index would add a second one for LIKE.
            models.Index(fields=["fingerprint"], name="resend_conf_fingerprint"),
        ]
        permissions = [
            ("resend_confirmation", _("Can send the message of a confirmation again")),
            ("withdraw_confirmation", _("Can withdraw a confirmation")),
            ("confirm_confirmation", _("Can confirm an address by hand")),
            ("reopen_confirmation", _("Can open a confirmation again")),
        ]

    def __str__(self) -> str:
        return f"{self.address} ({self.get_state_display()})"

    @property
    def parsed(self) -> Address | None:
        """The parsed address, or None if a direct write to the row made it invalid."""
        self._parsed = Address.parse(self.address, self._parsed)
        return self._parsed

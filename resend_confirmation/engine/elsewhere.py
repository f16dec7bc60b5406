"""What the host does by itself to accounts that wait here: it confirms or deactivates them."""

from typing import Any

from django.db import router, transaction
from django.utils import timezone

from .. import accounts, addresses
from ..accounts import FlagStore
from ..models import Confirmation
from ..outcomes import ConfirmationState
from ..signals import confirmed
from .signup import reopen, withdraw

#: Set on an instance that was just inserted as active, until it is saved again: sign-ups that
#: make the account first and take ``is_active`` away in a second save deactivate nobody.
_INSERTED = "_resend_confirmation_inserted"


def note_confirmed(user: Any, address: str) -> bool:
    """Mark ours as made, because ``address`` of ``user`` was confirmed without our link.

    Sends the signal ``confirmed``, in the transaction that marks. False, and nothing happened,
    when none of ours waited.
    """
    if not addresses.is_address(address):
        return False
    using = router.db_for_write(Confirmation)
    waiting = Confirmation.objects.using(using).filter(
        account_id=user.pk,
        fingerprint=addresses.fingerprint(address),
        state=ConfirmationState.PENDING,
    )
    with transaction.atomic(using=using):
        pks = list(waiting.values_list("pk", flat=True))
        now = timezone.now()
        if not pks or not waiting.update(state=ConfirmationState.CONFIRMED, confirmed_at=now):
            return False
        confirmation = Confirmation.objects.using(using).get(pk=pks[0])
        confirmed.send(Confirmation, confirmation=confirmation, user=user)
    return True


def note_deactivated(user: Any, address: str) -> None:
    """Withdraw ours, and write a withdrawn one where there was none: no link revives ``user``.

    One that was made, or withdrawn before, says enough and stays as it is.
    """
    if not addresses.is_address(address):
        return
    using = router.db_for_write(Confirmation)
    ours = Confirmation.objects.using(using).filter(
        account_id=user.pk, fingerprint=addresses.fingerprint(address)
    )
    with transaction.atomic(using=using):
        if not ours.exclude(state=ConfirmationState.PENDING).exists():
            withdraw(reopen(user, address, client="", language=""))


def before_save(
    sender: Any, instance: Any, raw: bool, using: str, update_fields: Any, **_: Any
) -> None:
    """Receiver of the user model's ``pre_save``: with FlagStore, notes who is deactivated.

    ``is_active=False`` alone cannot tell them from those who never confirmed, so the change is
    what counts. Asks the database only when an inactive account is saved.
    """
    if raw or not _tells(update_fields) or instance.is_active or instance._state.adding:
        return
    if getattr(instance, _INSERTED, False) or not isinstance(accounts.store(), FlagStore):
        return
    # Where it is about to be written: a replica may lag behind.
    users = sender._default_manager.using(using)
    known = users.filter(pk=instance.pk, is_active=True).first()
    if known is not None:
        note_deactivated(known, getattr(known, known.get_email_field_name()) or "")


def after_save(
    sender: Any, instance: Any, created: bool, raw: bool, update_fields: Any, **_: Any
) -> None:
    """Receiver of the user model's ``post_save``: with FlagStore, notes who is activated."""
    setattr(instance, _INSERTED, created and instance.is_active)
    if created:
        return
    if raw or not _tells(update_fields) or not instance.is_active:
        return
    if isinstance(accounts.store(), FlagStore):
        note_confirmed(instance, getattr(instance, instance.get_email_field_name()) or "")


def _tells(update_fields: Any) -> bool:
    return update_fields is None or "is_active" in update_fields

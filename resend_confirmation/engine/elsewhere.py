"""What the host does by itself to accounts that wait here: it confirms or deactivates them."""

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.utils.module_loading import import_string
from django.utils.translation import get_language

from .. import accounts, clock, failures
from ..accounts import FlagStore
from ..addresses import Address
from ..models import Confirmation
from ..outcomes import ConfirmationState, Standing
from ..signals import confirmed
from .signup import reopen, withdraw

#: Signals of packages whose sign-ups make inactive accounts, by the app that sends them.
SIGN_UPS = {
    "djoser": "djoser.signals.user_registered",
    "django_registration": "django_registration.signals.user_registered",
}

#: Set on an instance while a save activates it: the address that the save leaves as it was.
_ACTIVATED = "_resend_confirmation_activated"
#: Set on an instance that was just inserted as active, until it is saved again: sign-ups that
#: make the account first and take ``is_active`` away in a second save deactivate nobody.
_INSERTED = "_resend_confirmation_inserted"


def listen() -> None:
    """Connect to the sign-ups of the packages that are installed."""
    for app, signal in SIGN_UPS.items():
        if apps.is_installed(app):
            import_string(signal).connect(after_sign_up)


@failures.discreet
def after_sign_up(sender: Any, user: Any, **_: Any) -> None:
    """Receiver of a package's sign-up: with FlagStore, an inactive account waits from now on.

    ``is_active=False`` alone cannot tell a new account from an imported one that may not be used.
    """
    if user.is_active or not isinstance(accounts.store(), FlagStore):
        return
    if (address := Address.parse(_address(user))) is not None:
        reopen(user, address, client="", language=get_language() or "")


@failures.discreet
def note_confirmed(user: Any, address: str) -> bool:
    """Mark ours as made, because ``address`` of ``user`` was confirmed without our link.

    Sends the signal ``confirmed``, in the transaction that marks. False, and nothing happened,
    when none of ours waited.
    """
    if (known := Address.parse(address)) is None:
        return False
    using = router.db_for_write(Confirmation)
    waiting = Confirmation.objects.using(using).filter(
        account_id=user.pk,
        fingerprint=known.fingerprint,
        state=ConfirmationState.PENDING,
    )
    if not waiting.exists():
        return False
    with transaction.atomic(using=using):
        store = accounts.store()
        store.lock(user.pk)
        # The address may have changed since it was confirmed.
        if store.get(user.pk, known) is None:
            return False
        confirmation = waiting.first()
        if confirmation is None or not known.proves(confirmation.parsed):
            return False
        if not waiting.update(state=ConfirmationState.CONFIRMED, confirmed_at=clock.now()):
            return False
        confirmation.refresh_from_db(using=using)
        confirmed.send(Confirmation, confirmation=confirmation, user=user)
    return True


@failures.discreet
def note_deactivated(user: Any, address: str) -> None:
    """Withdraw ours, and write a withdrawn one where there was none: no link revives ``user``.

    One that was made, or withdrawn before, says enough and stays as it is.
    """
    if (known := Address.parse(address)) is None:
        return
    using = router.db_for_write(Confirmation)
    ours = Confirmation.objects.using(using).filter(
        account_id=user.pk, fingerprint=known.fingerprint
    )
    with transaction.atomic(using=using):
        if not ours.exclude(state=ConfirmationState.PENDING).exists():
            withdraw(reopen(user, known, client="", language=""))


@failures.discreet
def before_save(
    sender: Any, instance: Any, raw: bool, using: str, update_fields: Any, **_: Any
) -> None:
    """Receiver of ``pre_save``: with FlagStore, notes which user is deactivated or activated.

    ``is_active=False`` alone cannot tell them from those who never confirmed, so the change is
    what counts, and who is out stays out under another address. Asks the database only when
    ``is_active`` is written, or the address of an inactive account.
    """
    if raw or not _is_user(sender) or instance._state.adding:
        return
    instance.__dict__.pop(_ACTIVATED, None)
    email = instance.get_email_field_name()
    if not _writes("is_active", update_fields) and (
        instance.is_active or not _writes(email, update_fields)
    ):
        return
    if getattr(instance, _INSERTED, False) or not isinstance(accounts.store(), FlagStore):
        return
    # Where it is about to be written: a replica may lag behind.
    known = sender._default_manager.using(using).filter(pk=instance.pk).first()
    if known is None:
        return
    old = _address(known)
    new = _address(instance) if _writes(email, update_fields) else old
    is_same = old == new or Address.parse(old) == Address.parse(new)
    if instance.is_active:
        if not known.is_active and old == new:
            setattr(instance, _ACTIVATED, old)
        return
    if known.is_active and _writes("is_active", update_fields):
        note_deactivated(known, old)
    elif known.is_active or is_same or not _is_blocked(known, old):
        return
    if not is_same:
        note_deactivated(known, new)


@failures.discreet
def after_save(sender: Any, instance: Any, created: bool, raw: bool, **_: Any) -> None:
    """Receiver of ``post_save``: with FlagStore, notes which user was activated.

    Only what was inactive before, and for the address that it had then: to save an account that
    is active proves nothing of an address.
    """
    if not _is_user(sender):
        return
    setattr(instance, _INSERTED, created and instance.is_active)
    address = instance.__dict__.pop(_ACTIVATED, None)
    if address is not None and not raw:
        note_confirmed(instance, address)


def _is_user(sender: Any) -> bool:
    """Whether it saves users: the user model, a proxy of it or a child."""
    return issubclass(sender, get_user_model())


def _writes(field: str, update_fields: Any) -> bool:
    return update_fields is None or field in update_fields


def _address(user: Any) -> str:
    return getattr(user, user.get_email_field_name()) or ""


def _is_blocked(user: Any, address: str) -> bool:
    account = accounts.of(user.pk, address)
    return account is not None and account.standing is Standing.BLOCKED

"""Changes by the host itself: accounts that it signs up, confirms or deactivates."""

from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.signals import setting_changed
from django.db.models.signals import class_prepared, post_save, pre_save
from django.utils.module_loading import import_string
from django.utils.translation import get_language

from .. import accounts, database, failures
from ..accounts import FlagStore
from ..addresses import Address
from ..models import Confirmation
from ..outcomes import ConfirmationState, Standing
from ..signals import confirmed
from .signup import reopen, withdraw

#: Signals of packages that create inactive accounts at sign-up, by the app that sends them.
SIGN_UPS = {
    "djoser": "djoser.signals.user_registered",
    "django_registration": "django_registration.signals.user_registered",
}

#: Attribute of an instance while a save activates it: the address, which the save does not change.
_ACTIVATED = "_resend_confirmation_activated"
#: Attribute of an instance that was just inserted as active, until it is saved again. A sign-up
#: that creates an active account and sets ``is_active = False`` in a second save does not count as
#: a deactivation.
_INSERTED = "_resend_confirmation_inserted"


#: The models with watched saves: the user model, its proxies and its children.
_watched: list[Any] = []


def listen() -> None:
    """Connect to the sign-ups of the packages that are installed."""
    for app, signal in SIGN_UPS.items():
        if apps.is_installed(app):
            import_string(signal).connect(after_sign_up)
    class_prepared.connect(_watch_new)
    setting_changed.connect(_watch_again)


def watch() -> None:
    """Connect to the saves of users if the account store needs them; other models are left out."""
    while _watched:
        model = _watched.pop()
        pre_save.disconnect(before_save, sender=model)
        post_save.disconnect(after_save, sender=model)
    # The system checks report errors of the store and of the user model.
    with suppress(Exception):
        if getattr(accounts.store(), "watches_saves", False):
            for model in apps.get_models():
                _watch(model)


def _watch(model: Any) -> None:
    # Signals are sent for the class that is saved. A receiver for the user model misses proxies.
    if issubclass(model, get_user_model()):
        pre_save.connect(before_save, sender=model)
        post_save.connect(after_save, sender=model)
        _watched.append(model)


def _watch_new(sender: Any, **_: Any) -> None:
    if _watched:
        _watch(sender)


def _watch_again(*, setting: str, **_: Any) -> None:
    if setting in {"RESEND_CONFIRMATION", "AUTH_USER_MODEL"}:
        watch()


@failures.discreet
def after_sign_up(sender: Any, user: Any, **_: Any) -> None:
    """Make an inactive account wait from now on, with FlagStore; a receiver of sign-ups.

    ``is_active=False`` alone does not tell a new account from an imported, disabled one.
    """
    if user.is_active or not isinstance(accounts.store(), FlagStore):
        return
    if (address := Address.parse(_address(user))) is not None:
        reopen(user, address, client="", language=get_language() or "")


@failures.discreet
def note_confirmed(user: Any, address: str) -> bool:
    """Mark our confirmation as confirmed, because ``address`` was confirmed without our link.

    Send the signal ``confirmed`` inside the transaction that marks it. Return False without a
    change if no confirmation is pending or the account no longer has the address.
    """
    if (known := Address.parse(address)) is None:
        return False
    waiting = Confirmation.objects.filter(
        account_id=user.pk,
        fingerprint=known.fingerprint,
        state=ConfirmationState.PENDING,
    )
    if not waiting.exists():
        return False
    with database.atomic():
        store = accounts.store()
        store.lock(user.pk)
        # The address may have changed since it was confirmed.
        if store.get(user.pk, known) is None:
            return False
        confirmation = waiting.first()
        # Another process may have confirmed or withdrawn it.
        if (
            confirmation is None
            or not known.proves(confirmation.parsed)
            or not waiting.update(state=ConfirmationState.CONFIRMED, confirmed_at=database.now())
        ):
            return False
        confirmation.refresh_from_db(using=database.using())
        confirmed.send(Confirmation, confirmation=confirmation, user=user)
    return True


@failures.discreet
def note_deactivated(user: Any, address: str) -> None:
    """Withdraw the confirmation, or create a withdrawn one, so that no link reactivates ``user``.

    A confirmation that is already confirmed or withdrawn stays so. Staff cannot open it again, if
    they ended it: that would undo the deactivation.
    """
    if (known := Address.parse(address)) is None:
        return
    ours = Confirmation.objects.filter(account_id=user.pk, fingerprint=known.fingerprint)
    with database.atomic():
        if not ours.exclude(state=ConfirmationState.PENDING).update(by_hand=False):
            withdraw(reopen(user, known, client="", language=""))


@failures.discreet
def before_save(sender: Any, instance: Any, using: str, update_fields: Any, **_: Any) -> None:
    """Record a deactivation, and note an activation for ``after_save``; receives ``pre_save``.

    ``is_active=False`` alone does not tell a deactivated account from one that never confirmed, so
    the transition is recorded. Changing the address of a blocked account does not undo it. The
    database is queried only if ``is_active`` is written, or the address of an inactive account.
    """
    # Instances of fixtures are always new, even if their rows exist.
    if instance._state.adding:
        return
    instance.__dict__.pop(_ACTIVATED, None)
    email = instance.get_email_field_name()
    if not _writes("is_active", update_fields) and (
        instance.is_active or not _writes(email, update_fields)
    ):
        return
    if getattr(instance, _INSERTED, False):
        return
    # The row is read from the database that is about to be written to: a replica may lag behind.
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
def after_save(sender: Any, instance: Any, created: bool, **_: Any) -> None:
    """Record an activation; a receiver of ``post_save``.

    It counts only if the user was inactive before and the address has not changed: saving an
    account that was already active proves nothing about its address.
    """
    setattr(instance, _INSERTED, created and instance.is_active)
    address = instance.__dict__.pop(_ACTIVATED, None)
    if address is not None:
        note_confirmed(instance, address)


def _writes(field: str, update_fields: Any) -> bool:
    return update_fields is None or field in update_fields


def _address(user: Any) -> str:
    return getattr(user, user.get_email_field_name()) or ""


def _is_blocked(user: Any, address: str) -> bool:
    account = accounts.of(user.pk, address)
    return account is not None and account.standing is Standing.BLOCKED

"""Starting and withdrawing a confirmation: what a host's sign-up and its staff call."""

import re
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth import get_user_model

from .. import accounts, addresses, clients, conf, database, failures, tokens
from ..accounts import Account
from ..addresses import Address
from ..clients import Client, Redirect
from ..courier import slots, superseding
from ..limits import cooldown
from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, DeliveryState, Origin, Reason, Refusal
from . import outbox

#: A language, and what narrows it: as a tag (pt-BR) or as a locale (pt_BR, sr@latin).
_TAG = re.compile(r"([a-z]{2,8})([-_@][a-z0-9]{1,8})*", re.ASCII | re.IGNORECASE)


@failures.discreet
@database.retry_on_deadlock
def start(
    account: Any,
    *,
    client: str = "",
    dialect: str = "",
    redirect: str = "",
    language: str | None = "",
    time_zone: str | tzinfo | None = "",
    send: bool = True,
) -> Confirmation:
    """Make ``account`` wait for a confirmation of its address, and send the message.

    ``account`` is a user, or where the store knows several addresses of one an ``Account`` of its.
    Call it in the transaction that signs the user up: the message goes out after the commit and
    not at all when it is rolled back. ``client`` is a client's name (default: the default
    client), ``redirect`` one of its registered URLs, by default that of the account's
    newest message for this client, else the first. ``language`` and ``time_zone`` are the
    message's; what the site or Python does not have, empty or None is the site's own.
    ``send=False`` only writes the row. Calling again for an address that was confirmed or
    withdrawn makes it pending anew and kills old links. A message of it that still waits ends as
    superseded. Within a cooldown the new one waits, for COOLDOWN and for its turn among other
    accounts' with that address.

    Raises ValueError when the user has no address that mail can go to, there is no such client,
    ``language`` is no language code, or the redirect is not registered; TypeError for anything
    but a user or an Account. A dialect that is not mounted lands as none does.
    """
    is_one_of_several = isinstance(account, Account)
    user = account.user if is_one_of_several else account
    if not isinstance(user, get_user_model()):
        raise TypeError(f"start takes a user or an Account, not {user.__class__.__name__}")
    text = (account.address if is_one_of_several else _own_address(user)) or ""
    address = Address.parse(text.strip(addresses.BLANKS))
    language, zone = _language(language), _time_zone(time_zone)
    owner = clients.by_name(client) if client else clients.default()
    if client and owner is None:
        raise ValueError(f"unknown client {client!r}")
    if redirect and not (owner and isinstance(_redirect(owner, redirect), Redirect)):
        raise ValueError("the redirect is not registered for this client")
    if address is None:
        raise ValueError("not an address")
    with database.atomic():
        named = owner.name if owner else client
        confirmation = reopen(user, address, client=named, language=language)
        if zone:
            confirmation.time_zone = zone
            confirmation.save(update_fields=["time_zone"])
        if send:
            now = database.now()
            # A redirect's id means something only beside the client that registered it.
            sender = owner if client or redirect else clients.by_name(confirmation.client)
            target = _redirect(sender, redirect) if sender and redirect else None
            older = superseding.end_waiting(confirmation.pk)
            outbox.insert(
                Delivery(
                    confirmation=confirmation,
                    dialect=dialect,
                    client=sender.name if sender else confirmation.client,
                    redirect=target.id if isinstance(target, Redirect) else "",
                    language=language,
                    origin=Origin.SIGN_UP,
                    state=DeliveryState.QUEUED,
                    asked_at=now,
                    **_slot(address, now, older),
                )
            )
    return confirmation


def _slot(address: Address, now: datetime, older: list[Delivery]) -> dict[str, Any]:
    """Return a message's fields that say when it leaves: in a new slot, or one of ``older``.

    Without a slot the message waits for one gap, and takes one when it goes out. Asks for the
    address from before there was an account cannot put it off until the hour or day is over.
    """
    wait = timedelta(seconds=cooldown.take(address.canonical, at=now))
    unused = [row for row in older if row.slot_at and not row.doubts]
    heir = unused.pop() if wait and unused else None
    for row in unused:
        slots.give_back_unit(row)
    if heir is not None:
        return {"not_before": now, "slot_at": heir.slot_at}
    if wait:
        return {"not_before": now + min(wait, conf.get().COOLDOWN.gap), "reason": Reason.TURN}
    return {"not_before": now, "slot_at": now}


def _own_address(user: Any) -> str | None:
    address: str | None = getattr(user, user.get_email_field_name())
    return address


def _language(given: str | None) -> str:
    """As it was given: what the site has of it is looked for when the message is written."""
    code = str(given or "")
    room = Confirmation._meta.get_field("language").max_length or 0
    if code and not (len(code) <= room and _TAG.fullmatch(code)):
        raise ValueError(f"{code!r} is not a language code")
    return code


def _time_zone(given: str | tzinfo | None) -> str:
    """Its name; none for one that Python does not know, which a sign-up need not fail for."""
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(str(given)).key if given else ""
    return ""


def _redirect(client: Client, url: str) -> Redirect | Refusal | None:
    """The registered redirect with a URL."""
    return clients.find_redirect(client, url)


def ensure_confirmation(account: Account, *, client: str, language: str) -> Confirmation:
    """The pending confirmation of an account that its store says is waiting.

    One that changed its address goes on waiting as it did: for the same client, and in the same
    language.
    """
    former = (
        Confirmation.objects.filter(pk=account.former_id).first() if account.former_id else None
    )
    if former is None:
        return reopen(account.user, account.mailbox, client=client, language=language)
    return reopen(
        account.user,
        account.mailbox,
        client=former.client,
        language=former.language or language,
        time_zone=former.time_zone,
    )


def reopen(
    user: Any, address: Address, *, client: str, language: str, time_zone: str = ""
) -> Confirmation:
    """The confirmation of ``address``: made, or made pending again, or as it is while it waits.

    One that waits for another spelling of the address begins again: its links went elsewhere.
    """
    now = database.now()
    fresh = {
        "address": address.stored,
        "client": client,
        "language": language,
        "state": ConfirmationState.PENDING,
        "selector": tokens.new_selector(),
        "requested_at": now,
        "confirmed_at": None,
        "disowned_at": None,
        "expires_at": None,
        "cooldown_id": cooldown.digest(address.canonical),
    }
    confirmation, _ = Confirmation.objects.get_or_create(
        account=user,
        fingerprint=address.fingerprint,
        defaults={**fresh, "time_zone": time_zone},
    )
    waits = confirmation.state == ConfirmationState.PENDING
    if not waits or not address.proves(Address.parse(confirmation.address, address)):
        for name, value in fresh.items():
            setattr(confirmation, name, value)
        confirmation.save(update_fields=list(fresh))
    return confirmation


@failures.discreet
def withdraw(confirmation: Confirmation) -> bool:
    """Stop waiting for ``confirmation``: no message follows and every link is dead.

    Those of addresses that the account had before go with it, so that it does not wait again by
    going back to one. False when it was not pending any more. Raises TypeError for anything but
    a Confirmation: a user has a key too, which may be that of somebody else's row.
    """
    if not isinstance(confirmation, Confirmation):
        raise TypeError("withdraw takes the Confirmation that start returns")
    waiting = Confirmation.objects.filter(
        account_id=confirmation.account_id, state=ConfirmationState.PENDING
    )
    withdrawn = {"state": ConfirmationState.WITHDRAWN, "selector": tokens.new_selector()}
    if not waiting.filter(pk=confirmation.pk).update(**withdrawn):
        return False
    former = [other.pk for other in waiting if account_of(other) is None]
    if former:
        waiting.filter(pk__in=former).update(**withdrawn)
    return True


def account_of(confirmation: Confirmation) -> Account | None:
    """The account of ``confirmation`` as its store knows it now."""
    return accounts.of(confirmation.account_id, confirmation.parsed)


def locked_account_of(confirmation: Confirmation) -> Account | None:
    """The same, locked until the transaction ends: nothing of it changes before."""
    accounts.store().lock(confirmation.account_id)
    return account_of(confirmation)


def moved_account_of(confirmation: Confirmation) -> Account | None:
    """The account that waits under another address by now, because of ``confirmation``."""
    user = confirmation.account
    account = accounts.of(user.pk, _own_address(user))
    return account if account is not None and account.former_id == confirmation.pk else None

"""Starting and withdrawing a confirmation, for the host's sign-up and its staff."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth import get_user_model
from django.db import IntegrityError

from .. import accounts, addresses, clients, conf, database, failures, tokens
from ..accounts import Account
from ..addresses import Address
from ..clients import Client, Redirect
from ..deliveries import outbox, superseding
from ..limits import cooldown
from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, Origin, Reason, Refusal

#: A language code with optional subtags: a tag (pt-BR) or a locale (pt_BR, sr@latin).
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
    """Start the confirmation of an account's address, and send the message.

    ``account`` is a user, or an ``Account`` from a store that knows several addresses of a user.
    Call this function in the transaction that signs the user up. The message is sent after the
    commit, and not at all after a rollback.

    ``client`` is the name of a client (default: the default client). ``redirect`` is one of its
    registered URLs. The default is that of the account's newest message for this client, else the
    first. ``dialect`` decides on the redirect after the confirmation. A dialect that is not
    mounted has no effect. ``language`` and ``time_zone`` are those of the message. For an empty
    value, None, a language that the site lacks or an unknown time zone, those of the site are
    used. ``send=False`` only writes the row.

    A call for an address that was confirmed or withdrawn makes it pending again and invalidates old
    links. A message that is still queued for it is superseded. During a cooldown the new message
    may have to wait, for the gap of COOLDOWN and for its turn among the messages to other accounts
    with that address.

    Raise ValueError if the user has no valid address, the client is unknown, ``language`` is not a
    language code, or the redirect is not registered. Raise TypeError if ``account`` is neither a
    user nor an Account.
    """
    is_one_of_several = isinstance(account, Account)
    user = account.user if is_one_of_several else account
    if not isinstance(user, get_user_model()):
        raise TypeError(f"start takes a user or an Account, not {user.__class__.__name__}")
    text = (account.address if is_one_of_several else _own_address(user)) or ""
    address = Address.parse(text.strip(addresses.BLANKS))
    language, zone = language_code(language), _time_zone(time_zone)
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
            # The id of a redirect is valid only for the client that registered it.
            sender = owner if client or redirect else clients.by_name(confirmation.client)
            target = _redirect(sender, redirect) if sender and redirect else None
            wait, slot = _slot(address, superseding.end_waiting(confirmation.pk))
            delivery = Delivery(
                confirmation=confirmation,
                dialect=dialect,
                client=sender.name if sender else confirmation.client,
                redirect=target.id if isinstance(target, Redirect) else "",
                language=language,
                origin=Origin.SIGN_UP,
                **slot,
            )
            outbox.queue(delivery, wait)
    return confirmation


def _slot(address: Address, older: list[Delivery]) -> tuple[timedelta, dict[str, Any]]:
    """Return how long a delivery has to wait, and its slot: a new one, or one of ``older``.

    Without a slot the message waits for one gap at most, and takes a slot when it is sent. Requests
    made before the account existed cannot delay it until the hour or the day is over.
    """
    now = database.now()
    wait = timedelta(seconds=cooldown.take(address.canonical, at=now))
    unused = [row for row in older if row.slot_at and not row.doubts]
    heir = unused.pop() if wait and unused else None
    for row in unused:
        superseding.release(row)
    if heir is not None:
        return timedelta(0), {"slot_at": heir.slot_at}
    if wait:
        return min(wait, conf.get().COOLDOWN.gap), {"reason": Reason.TURN}
    return timedelta(0), {"slot_at": now}


def _own_address(user: Any) -> str | None:
    address: str | None = getattr(user, user.get_email_field_name())
    return address


def language_code(given: str | None) -> str:
    """Return the language code as it was given; raise ValueError if it is not one.

    The matching language of the site is determined when the message is written.
    """
    code = str(given or "")
    room = Confirmation._meta.get_field("language").max_length or 0
    if code and not (len(code) <= room and _TAG.fullmatch(code)):
        raise ValueError(f"{code!r} is not a language code")
    return code


def _time_zone(given: str | tzinfo | None) -> str:
    """Return the name of the time zone, or an empty string if Python does not know it."""
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(str(given)).key if given else ""
    return ""


def _redirect(client: Client, url: str) -> Redirect | Refusal | None:
    return clients.find_redirect(client, url)


def ensure_confirmation(account: Account, *, client: str, language: str) -> Confirmation:
    """Return the pending confirmation of a pending account; create or reopen it if necessary.

    After a change of address, the client, language and time zone of the former confirmation are
    kept.
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
    """Return the confirmation of ``address`` as pending; create or reopen it if necessary.

    A confirmation that is pending for another spelling of the address is reopened too, since its
    links were sent to that spelling.
    """
    columns = fresh_columns(address, client, language)
    confirmation, _ = Confirmation.objects.get_or_create(
        account=user,
        fingerprint=address.fingerprint,
        defaults={**columns, "time_zone": time_zone},
    )
    waits = confirmation.state == ConfirmationState.PENDING
    if not waits or not address.proves(Address.parse(confirmation.address, address)):
        for name, value in columns.items():
            setattr(confirmation, name, value)
        confirmation.save(update_fields=list(columns))
    return confirmation


def ensure_all(accounts: Sequence[Account], *, client: str) -> list[int]:
    """Return the keys of the pending confirmations of pending accounts, with few statements."""
    new = [a for a in accounts if not (a.confirmation_id or a.former_id)]
    made = _start_all(new, client) if new else {}
    return [
        a.confirmation_id
        or made.get(pair_of(a))
        or ensure_confirmation(a, client=client, language="").pk
        for a in accounts
    ]


def _start_all(accounts: Sequence[Account], client: str) -> dict[tuple[str, str], int]:
    """Start confirmations where there are none in any state; return their keys."""
    known = _with_confirmation(accounts)
    missing = {pair: a for a in accounts if (pair := pair_of(a)) not in known}
    try:
        with database.atomic():
            rows = Confirmation.objects.bulk_create(
                Confirmation(
                    account=a.user,
                    fingerprint=a.mailbox.fingerprint,
                    **fresh_columns(a.mailbox, client, ""),
                )
                for a in missing.values()
            )
    except IntegrityError:
        # Another process has just started one of them.
        return {}
    return dict(zip(missing, [row.pk for row in rows], strict=True))


def pair_of(account: Account) -> tuple[str, str]:
    return str(account.user.pk), account.mailbox.fingerprint


def _with_confirmation(accounts: Sequence[Account]) -> set[tuple[str, str]]:
    """Return the accounts and addresses that have a confirmation, in whatever state."""
    rows = Confirmation.objects.filter(
        account__in=[a.user.pk for a in accounts],
        fingerprint__in=[a.mailbox.fingerprint for a in accounts],
    )
    pairs = rows.values_list("account_id", "fingerprint")
    return {(str(pk), fingerprint) for pk, fingerprint in pairs}


def fresh_columns(address: Address, client: str, language: str) -> dict[str, Any]:
    """Return the columns of a confirmation that is started now."""
    return {
        "address": address.stored,
        "client": client,
        "language": language,
        "state": ConfirmationState.PENDING,
        "selector": tokens.new_selector(),
        "requested_at": database.now(),
        "confirmed_at": None,
        "by_hand": False,
        "disowned_at": None,
        "expires_at": None,
        "reminders": 0,
        "cooldown_id": cooldown.digest(address.canonical),
    }


@failures.discreet
def withdraw(confirmation: Confirmation, *, by_hand: bool = False) -> bool:
    """Withdraw ``confirmation``: no message follows, and every link is dead.

    Pending confirmations of the account's former addresses are withdrawn too, so that a change
    back to one of them does not make the account pending again. ``by_hand`` is for staff, who can
    open it again. Return False if ``confirmation`` was no longer pending. Raise TypeError if it is
    not a Confirmation: a user has a primary key too, which may be that of an unrelated row.
    """
    if not isinstance(confirmation, Confirmation):
        raise TypeError("withdraw takes the Confirmation that start returns")
    waiting = Confirmation.objects.filter(
        account_id=confirmation.account_id, state=ConfirmationState.PENDING
    )
    withdrawn = {
        "state": ConfirmationState.WITHDRAWN,
        "selector": tokens.new_selector(),
        "by_hand": by_hand,
    }
    if not waiting.filter(pk=confirmation.pk).update(**withdrawn):
        return False
    former = [other.pk for other in waiting if account_of(other) is None]
    if former:
        waiting.filter(pk__in=former).update(**withdrawn)
    return True


def account_of(confirmation: Confirmation) -> Account | None:
    """Return the account of ``confirmation``, as the store returns it now, or None."""
    return accounts.of(confirmation.account_id, confirmation.parsed)


def locked_account_of(confirmation: Confirmation) -> Account | None:
    """Return the account of ``confirmation``, locked until the transaction ends, or None."""
    accounts.store().lock(confirmation.account_id)
    return account_of(confirmation)


def moved_account_of(confirmation: Confirmation) -> Account | None:
    """Return the account that is pending because of ``confirmation``, under a newer address."""
    user = confirmation.account
    account = accounts.of(user.pk, _own_address(user))
    return account if account is not None and account.former_id == confirmation.pk else None

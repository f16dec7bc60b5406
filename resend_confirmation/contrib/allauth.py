"""Accounts of django-allauth: ``EmailAddress.verified`` is the state, and its links keep working.

https://docs.allauth.org/en/latest/account/
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.core import context
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.base import BaseStorage
from django.db import IntegrityError, router, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Lower
from django.dispatch import receiver
from django.http import HttpRequest

from .. import accounts, conf, engine
from ..accounts import Account, ConfirmationStore, Ours, Part, rows_of_users
from ..accounts.users import within
from ..addresses import Address
from ..outcomes import ConfirmationState, Standing


class AllauthStore(ConfirmationStore):
    """Every address of an account that django-allauth knows, pending until it is verified.

    The address in the user model's field counts too, as at allauth's login. A user name stands for
    the primary address. If addresses are unique (ACCOUNT_UNIQUE_EMAIL), an address that another
    account verified is blocked, since allauth does not let a second account verify it.
    """

    def find(self, identity: Address | str) -> Sequence[Account]:
        found = super().find(identity)
        if isinstance(identity, Address):
            return [a for a in found if a.parsed == identity]
        return [a for a in found if _is_current(a)]

    def find_each(self, identities: Sequence[Address | str]) -> list[list[Account]]:
        found = zip(identities, super().find_each(identities), strict=True)
        return [
            some if isinstance(each, Address) else [a for a in some if _is_current(a)]
            for each, some in found
        ]

    def lock(self, user_id: Any) -> None:
        """Lock the addresses and then the user.

        allauth writes them in this order. Another order could deadlock.
        """
        using = router.db_for_write(EmailAddress)
        rows = EmailAddress.objects.using(using).select_for_update().filter(user_id=user_id)
        list(rows.values_list("pk"))
        super().lock(user_id)

    def confirm(self, account: Account) -> bool:
        """Verify the address by allauth's adapter, which sends its signals.

        Return False if the address may not be verified.
        """
        using = router.db_for_write(EmailAddress)
        request = _quiet_request()
        try:
            with transaction.atomic(using=using), context.request_context(request):
                address = _locked(account, using)
                return address is not None and bool(
                    get_adapter(request).confirm_email(request, address)
                )
        except IntegrityError:
            # Another account verified the address at this moment. Any other error is raised.
            if not _verified().using(using).filter(email=account.address.lower()).exists():
                raise
            return False

    def pending(self) -> Iterator[Account]:
        """Yield accounts without any verified address, each with allauth's current address."""
        return (a for a in super().pending() if _is_current(a) and a.parsed)

    def _waits(self, **bounds: Any) -> Q:
        theirs = _verified().filter(within("user_id", bounds), user_id=OuterRef("pk"))
        return within("pk", bounds) & Q(~Exists(theirs))

    def _joined(
        self, users: QuerySet[Any] | None = None, bounds: Mapping[str, Any] = MappingProxyType({})
    ) -> QuerySet[Any]:
        own = get_user_model().get_email_field_name()
        primary = EmailAddress.objects.filter(user_id=OuterRef("pk"), primary=True)
        joined: QuerySet[Any] = (
            super()
            ._joined(users, bounds)
            .annotate(
                al_address=F("emailaddress__email"),
                al_verified=F("emailaddress__verified"),
                al_taken=_taken(OuterRef("emailaddress__email")),
                al_own_taken=_taken(Lower(OuterRef(own))),
                al_primary=Subquery(primary.values("email")[:1]),
            )
        )
        return joined

    def _parts(self, identity: Address | str) -> Sequence[Part]:
        parts = super()._parts(identity)
        return [*parts, self._of_addresses] if isinstance(identity, Address) else parts

    def _of_each(self, identities: Sequence[Address | str]) -> list[QuerySet[Any]]:
        parsed = [each for each in identities if isinstance(each, Address)]
        return [*super()._of_each(identities), self._of_addresses(*parsed)]

    def _of_addresses(self, *parsed: Any) -> QuerySet[Any]:
        # allauth looks addresses up in lowercase. The same form here lets the index be used.
        spellings = {spelling.lower() for each in parsed for spelling in each.spellings}
        theirs = EmailAddress.objects.filter(email__in=spellings)
        return self._joined().filter(pk__in=theirs.values("user_id"))

    def _accounts(self, users: Any, asked: Address | None = None) -> list[Account]:
        """Make one account per user and address, from a row per user, address and confirmation."""
        return [account for rows in rows_of_users(users) for account in _accounts_of(rows, asked)]


def _accounts_of(rows: list[Any], asked: Address | None) -> list[Account]:
    """Return the accounts of one user, the one of the primary address first."""
    user = rows[0]
    own = getattr(user, user.get_email_field_name()) or ""
    known = {row.al_address: (row.al_verified, row.al_taken) for row in rows if row.al_address}
    parsed = {text: Address.parse(text, asked) for text in known}
    if own not in known:
        mine = Address.parse(own, asked)
        if (mine is None or mine not in parsed.values()) and (own or not known):
            known[own], parsed[own] = (False, user.al_own_taken), mine
    # The state of a former address counts until another is verified.
    is_let_in = any(is_verified for is_verified, _ in known.values())
    found, held = [], list(parsed.values())
    for text in sorted(known, key=lambda text: not _is_same(text, parsed[text], _current(user))):
        ours = Ours.of(rows, parsed[text], held)
        ours = Ours(ours.row) if is_let_in else ours
        standing = _standing(user, ours.state, *known[text])
        found.append(ours.account(user, text, standing, parsed[text]))
    return found


def _is_same(text: str, address: Address | None, other: str) -> bool:
    return text == other or (address is not None and address == Address.parse(other))


def _standing(user: Any, state: str | None, is_verified: bool, is_taken: bool) -> Standing:
    if not user.is_active:
        return Standing.BLOCKED
    if is_verified:
        return Standing.CONFIRMED
    if is_taken or state == ConfirmationState.WITHDRAWN:
        return Standing.BLOCKED
    return Standing.PENDING


def _current(user: Any) -> str:
    """Return allauth's current address: the primary one, else that of the user model."""
    return user.al_primary or getattr(user, user.get_email_field_name()) or ""


def _is_current(account: Account) -> bool:
    return _is_same(account.address, account.parsed, _current(account.user))


def _verified() -> QuerySet[Any]:
    verified: QuerySet[Any] = EmailAddress.objects.filter(verified=True)
    return verified


def _taken(address: Any) -> Exists:
    """Match users if another account verified ``address`` and addresses are unique."""
    others = _verified().filter(email=address).exclude(user_id=OuterRef("pk"))
    return Exists(others if app_settings.UNIQUE_EMAIL else others.none())


def _locked(account: Account, using: str) -> Any:
    """Lock and return the unverified row of the address, or return None.

    Lock addresses before users, as allauth does: another order could deadlock.
    """
    rows = EmailAddress.objects.using(using).select_for_update().filter(user_id=account.user.pk)
    mailbox = account.mailbox
    address = next((row for row in rows if mailbox == Address.parse(row.email, mailbox)), None)
    users = get_user_model()._default_manager.using(using).select_for_update()
    user: Any = users.filter(pk=account.user.pk).first()
    if user is None or not user.is_active:
        return None
    if address is None:
        # Accounts made without allauth get their row at the first login.
        if mailbox != Address.parse(getattr(user, user.get_email_field_name()), mailbox):
            return None
        address, _ = EmailAddress.objects.using(using).get_or_create(
            user=user, email=account.address.lower()
        )
    # Receivers of ``confirmed`` may save the user that they receive.
    address.user = account.user
    return None if address.verified else address


class _Silence(BaseStorage):
    """Discards allauth's messages, since our pages use no session and set no cookie."""

    def add(self, level: int, message: str, extra_tags: str | None = "") -> None:
        """Discard the message."""


def _quiet_request() -> HttpRequest:
    """Return a copy of the current request, or a request to BASE_URL without one."""
    request: Any = copy(context.request)
    if request is None:
        base = urlsplit(conf.get().BASE_URL)
        request = HttpRequest()
        request.META = {
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": base.hostname or "localhost",
            "SERVER_PORT": str(base.port or (443 if base.scheme == "https" else 80)),
        }
        request.user, request.session = AnonymousUser(), {}
    request._messages = _Silence(request)
    return cast("HttpRequest", request)


@receiver(email_confirmed)
def follow(email_address: Any, **_: Any) -> None:
    """Mark the confirmation as done when allauth's link or code verified the address."""
    if isinstance(accounts.store(), AllauthStore):
        engine.note_confirmed(email_address.user, email_address.email)

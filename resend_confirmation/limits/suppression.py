"""Suppression: addresses that get no messages, stored by a keyed digest."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet

from .. import database
from ..addresses import Address, keyed_digests
from ..models import Suppression


def is_suppressed(address: Address) -> bool:
    """Return whether no messages may be sent to ``address``."""
    return rows(address).exists()


def suppressed(addresses: Iterable[Address]) -> dict[Address, datetime]:
    """Return those of ``addresses`` to which no messages may be sent, each with the time since.

    It takes one statement.
    """
    known = {digest: each for each in addresses for digest in each.digests("suppression")}
    found = Suppression.objects.filter(digest__in=known).order_by("-since")
    return {known[digest]: at for digest, at in found.values_list("digest", "since")}


def since(address: Address) -> datetime | None:
    """Return the time of the oldest suppression of ``address``, or None if there is none."""
    return rows(address).order_by("since").values_list("since", flat=True).first()


def suppress(address: Address, why: Suppression.Why, detail: str = "") -> None:
    """Suppress later messages to ``address``. A suppression that exists is kept."""
    row = new_row(address, why)
    values = {"why": row.why, "since": row.since, "detail": detail, "sealed": row.sealed}
    Suppression.objects.get_or_create(digest=row.digest, defaults=values)


def new_row(address: Address, why: Suppression.Why) -> Suppression:
    """Return an unsaved suppression of ``address``. Deleting its row lifts it."""
    digest = address.digest("suppression")
    sealed = _xor(address.fingerprint, _pads(digest)[0])
    return Suppression(digest=digest, sealed=sealed, why=why, since=database.now())


def fingerprints(row: Suppression) -> list[str]:
    """Return what the fingerprint of the address may be, under each accepted key.

    The confirmations of an address are found by it. Only one key gives a fingerprint that exists.
    """
    return [_xor(row.sealed, pad) for pad in _pads(row.digest)] if row.sealed else []


def _pads(digest: str) -> list[str]:
    """Return the texts that seal the fingerprint of one address, under each accepted key.

    Each pad seals one fingerprint only, since the digest is that of one address under one key.
    Without the key it cannot be told from random digits, as the digest itself.
    """
    return keyed_digests(digest, "suppression.fingerprint")


def _xor(one: str, other: str) -> str:
    return f"{int(one, 16) ^ int(other, 16):064x}"


def rows(address: Address) -> QuerySet[Suppression]:
    """Return the suppressions of ``address``, under the current key and older ones."""
    return Suppression.objects.filter(digest__in=address.digests("suppression"))

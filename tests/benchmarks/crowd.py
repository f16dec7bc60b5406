"""Accounts of each kind, whose addresses have the same length."""

import random
from collections.abc import Iterator
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.utils import timezone

from resend_confirmation import tokens
from resend_confirmation.limits import cooldown
from resend_confirmation.models import Confirmation, Cooldown, Suppression
from tests.factories import address_of

#: The kinds of identities. Each is compared with the first.
KINDS = ("unknown", "pending", "confirmed", "blocked", "suppressed", "cooling down", "not enabled")

#: The number of rows in a batch.
CHUNK = 500


def people(seed: int, each: int) -> dict[str, list[str]]:
    """Return ``each`` addresses for each kind, which only the database can distinguish."""
    dice = random.Random(seed)
    numbers = dice.sample(range(16**8), each * len(KINDS))
    found = [f"{number:08x}@example.com" for number in numbers]
    return {kind: found[at * each : (at + 1) * each] for at, kind in enumerate(KINDS)}


def strangers(seed: int) -> Iterator[str]:
    """Yield addresses without an account, for the following requests."""
    dice = random.Random(f"after {seed}")
    while True:
        yield f"{dice.randrange(16**8):08x}@example.org"


def configure_site(crowd: dict[str, list[str]]) -> None:
    """Store the accounts of ``crowd`` in the database."""
    for kind, found in crowd.items():
        if kind == "unknown":
            continue
        for start in range(0, len(found), CHUNK):
            _settle(kind, found[start : start + CHUNK])


def add_waiting(addresses: list[str]) -> None:
    """Add pending accounts that got a message three days ago."""
    configure_site({"pending": addresses})
    then = timezone.now() - timedelta(days=3)
    window = {"hour_from": then, "hour_count": 1, "day_from": then, "day_count": 1}
    rows = (Cooldown(digest=cooldown.digest(a), last_at=then, **window) for a in addresses)
    Cooldown.objects.bulk_create(rows, CHUNK)


def _settle(kind: str, found: list[str]) -> None:
    model = get_user_model()
    users = model._default_manager.bulk_create(
        model(username=address, email=address, is_active=kind != "blocked") for address in found
    )
    now = timezone.now()
    if kind != "confirmed":
        Confirmation.objects.bulk_create(
            Confirmation(
                account=user,
                address=address,
                fingerprint=address_of(address).fingerprint,
                cooldown_id=cooldown.digest(address),
                selector=tokens.new_selector(),
                requested_at=now,
            )
            for user, address in zip(users, found, strict=True)
        )
    if kind == "cooling down":
        window = {"hour_from": now, "hour_count": 1, "day_from": now, "day_count": 1}
        Cooldown.objects.bulk_create(
            Cooldown(digest=cooldown.digest(address), last_at=now, **window) for address in found
        )
    if kind == "suppressed":
        Suppression.objects.bulk_create(
            Suppression(
                digest=address_of(address).digest("suppression"),
                why=Suppression.Why.BOUNCED,
                since=now,
            )
            for address in found
        )

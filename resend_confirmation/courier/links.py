"""Links of deliveries: reused in the first half of their lifetime, replaced after that."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db.models import F, Max, QuerySet

from .. import clients, conf, database, tokens
from ..addresses import Address
from ..clients import Client
from ..deliveries import states
from ..models import Confirmation, Delivery
from . import page_urls

#: Fields that decide where a link leads. Deliveries share a link only if these are equal.
_LANDING = ("dialect", "client", "redirect", "client_state", "payload")

#: A delivery with its confirmation and the parsed address.
Item = tuple[Delivery, Confirmation, Address]


def assign(delivery: Delivery, confirmation: Confirmation, address: Address) -> str | None:
    """Return the token of ``delivery``, or None if its link is no longer valid.

    The first attempt chooses the generation. It stores that with the token's digest and the
    Message-ID before anything is sent. Later attempts return the same token.
    """
    if delivery.token_digest:
        return _repeated(delivery, confirmation, address)
    now = database.now()
    landing = _landing(delivery, _predecessor(delivery, confirmation))
    (reusable,) = _reusable([(delivery, confirmation, address)], [landing], now)
    generation, expires_at = reusable or _next(confirmation, now)
    token = tokens.make(confirmation.selector, generation, address.canonical)
    values = _columns(delivery, landing, generation, expires_at, token)
    Delivery.objects.filter(pk=delivery.pk).update(**values)
    # Set the attributes only after the UPDATE, so that a retry after a lost connection does not see
    # them as set.
    for name, value in values.items():
        setattr(delivery, name, value)
    return token


def _repeated(delivery: Delivery, confirmation: Confirmation, address: Address) -> str | None:
    """Return the token of the first attempt, or None if its link is no longer valid."""
    generation = delivery.generation or 0
    known = tokens.make_all(confirmation.selector, generation, address.canonical)
    return next((token for token in known if tokens.digest(token) == delivery.token_digest), None)


def _columns(
    delivery: Delivery,
    landing: dict[str, str],
    generation: int,
    expires_at: datetime,
    token: str,
) -> dict[str, Any]:
    """Return the columns of ``delivery`` for a link, with a new Message-ID."""
    return {
        **{name: value for name, value in landing.items() if value != getattr(delivery, name)},
        "generation": generation,
        "link_expires_at": expires_at,
        "token_digest": tokens.digest(token),
        "message_id": new_message_id(clients.by_name(delivery.client)),
    }


def new_message_id(client: Client | None) -> str:
    """Return a Message-ID at the host of the links of ``client``."""
    host = urlsplit(page_urls.base_url(client)).hostname or "localhost"
    # An IPv6 address is written as a literal (RFC 5322, section 3.6.4).
    return f"<{uuid.uuid4()}@{f'[{host}]' if ':' in host else host}>"


def assign_ahead(items: Sequence[Item]) -> list[tuple[str, dict[str, Any]] | None]:
    """Return for each item its token, and the columns to write with the hand-over.

    Statements are shared. The result is None if ``assign`` has to decide. No two items belong to
    one account.
    """
    now = database.now()
    before = _predecessors([item for item in items if not item[0].token_digest])
    landings = [_landing(item[0], before.get(item[1].account_id, {})) for item in items]
    reused = _reusable(items, landings, now)
    given = zip(items, reused, strict=True)
    renewed = _all_next([i[1] for i, link in given if not (link or i[0].token_digest)], now)
    return [
        _ahead(item, landing, link or renewed.get(item[1].pk))
        for item, landing, link in zip(items, landings, reused, strict=True)
    ]


def _ahead(
    item: Item, landing: dict[str, str], link: tuple[int, datetime] | None
) -> tuple[str, dict[str, Any]] | None:
    delivery, confirmation, address = item
    if delivery.token_digest:
        repeated = _repeated(delivery, confirmation, address)
        return (repeated, {}) if repeated else None
    if link is None:
        return None
    token = tokens.make(confirmation.selector, link[0], address.canonical)
    return token, _columns(delivery, landing, *link, token)


def is_late(delivery: Delivery, when: datetime) -> bool:
    """Return whether half of the link's lifetime for ``delivery`` is over by ``when``."""
    expires_at = delivery.link_expires_at
    if expires_at is None:
        return False
    got_at = max(delivery.asked_at, expires_at - conf.get().LINK_LIFETIME)
    return when > got_at + (expires_at - got_at) / 2


def forget(delivery: Delivery) -> None:
    """Clear the link of ``delivery``, so that it gets a new one and a new Message-ID.

    Call this only if nothing was sent for it.
    """
    delivery.token_digest = ""
    delivery.link_expires_at = None


def _landing(delivery: Delivery, before: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that decide where the link leads.

    A delivery without a redirect takes missing values from ``before``, the newest delivery of its
    account and client. The redirect of that delivery is used if it is still registered, otherwise
    the client's first.
    """
    own = {name: getattr(delivery, name) for name in _LANDING}
    client = clients.by_name(delivery.client)
    if delivery.redirect or client is None or not client.redirects:
        return own
    if not clients.redirect_by_id(client, before.get("redirect", "")):
        before = {**before, "redirect": client.redirects[0].id}
    return {name: value or before.get(name, "") for name, value in own.items()}


def _has_predecessor(delivery: Delivery) -> bool:
    """Return whether ``_landing`` needs an older delivery."""
    client = clients.by_name(delivery.client)
    if delivery.redirect or client is None or not client.redirects:
        return False
    return len(client.redirects) > 1 or not delivery.dialect


def _redirected() -> QuerySet[Delivery]:
    return Delivery.objects.exclude(redirect="").exclude(states.IS_IGNORED)


def _predecessors(items: Sequence[Item]) -> dict[Any, dict[str, str]]:
    """Return what ``_predecessor`` returns, for the accounts of ``items`` that have one."""
    needing = {c.account_id: d for d, c, _ in items if _has_predecessor(d)}
    if not needing:
        return {}
    older = _redirected().filter(confirmation__account_id__in=needing)
    newest = (
        older.exclude(pk__in=[each.pk for each in needing.values()])
        .values("confirmation__account_id", "client")
        .annotate(newest=Max("pk"))
        .order_by()
    )
    pks = [
        row["newest"]
        for row in newest
        if row["client"] == needing[row["confirmation__account_id"]].client
    ]
    rows = older.filter(pk__in=pks).values("confirmation__account_id", *_LANDING) if pks else []
    return {row.pop("confirmation__account_id"): row for row in rows}


def _predecessor(delivery: Delivery, confirmation: Confirmation) -> Mapping[str, str]:
    """Return the fields of the newest delivery of the account and client with a redirect."""
    if not _has_predecessor(delivery):
        return {}
    older = _redirected().filter(
        confirmation__account_id=confirmation.account_id, client=delivery.client
    )
    newest = older.exclude(pk=delivery.pk).order_by("-pk")
    return newest.values(*_LANDING).first() or {}


def _reusable(
    items: Sequence[Item], landings: Sequence[dict[str, str]], now: datetime
) -> list[tuple[int, datetime] | None]:
    """Return for each item the generation and the end of an older delivery's link, or None.

    The token differs if the confirmation was withdrawn or the key changed since.
    """
    digests = [
        tokens.digest(tokens.make(c.selector, c.generation, address.canonical))
        if not delivery.token_digest and _has_reusable(c, now)
        else None
        for delivery, c, address in items
    ]
    wanted = [each for each in digests if each]
    if not wanted:
        return [None] * len(items)
    lasting = Delivery.objects.filter(
        token_digest__in=wanted, link_expires_at__gt=now + conf.get().LINK_LIFETIME / 2
    )
    ends = {
        (digest, *landing): expires_at
        for digest, expires_at, *landing in lasting.order_by("pk").values_list(
            "token_digest", "link_expires_at", *_LANDING
        )
    }
    found = [
        ends.get((digest, *(landing[name] for name in _LANDING)))
        for digest, landing in zip(digests, landings, strict=True)
    ]
    return [
        (item[1].generation, expires_at) if expires_at else None
        for item, expires_at in zip(items, found, strict=True)
    ]


def _all_next(
    confirmations: Sequence[Confirmation], now: datetime
) -> dict[int, tuple[int, datetime]]:
    """Take a new generation for each of ``confirmations``, with one statement per generation.

    The result lacks those that may have lost a race.
    """
    expires_at = now + conf.get().LINK_LIFETIME
    taken: dict[int, tuple[int, datetime]] = {}
    for generation in {each.generation for each in confirmations}:
        pks = [each.pk for each in confirmations if each.generation == generation]
        rows = Confirmation.objects.filter(pk__in=pks, generation=generation)
        if rows.update(generation=F("generation") + 1, expires_at=expires_at) == len(pks):
            taken |= dict.fromkeys(pks, (generation + 1, expires_at))
    return taken


def _has_reusable(confirmation: Confirmation, now: datetime) -> bool:
    """Return whether the newest link of ``confirmation`` may be one to reuse."""
    settings, expires_at = conf.get(), confirmation.expires_at
    if settings.LINK_POLICY != "reuse" or expires_at is None:
        return False
    return expires_at > now + settings.LINK_LIFETIME / 2


def _next(confirmation: Confirmation, now: datetime) -> tuple[int, datetime]:
    expires_at = now + conf.get().LINK_LIFETIME
    while True:
        row = Confirmation.objects.filter(pk=confirmation.pk, generation=confirmation.generation)
        if row.update(generation=F("generation") + 1, expires_at=expires_at):
            confirmation.generation += 1
            return confirmation.generation, expires_at
        # Another courier took this generation. The reloaded row has the current one.
        confirmation.refresh_from_db(using=database.using())

"""Links of deliveries: reused in the first half of their lifetime, replaced after that."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit

from django.conf import settings as django_settings
from django.db.models import F, Max, QuerySet
from django.urls import get_script_prefix, reverse, set_script_prefix

from .. import clients, conf, database, tokens
from ..addresses import Address
from ..clients import Client
from ..deliveries import states
from ..models import Confirmation, Delivery

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
    reusable = _reusable(landing, confirmation, address, now)
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
    host = urlsplit(base_url(clients.by_name(delivery.client))).hostname or "localhost"
    return {
        **landing,
        "generation": generation,
        "link_expires_at": expires_at,
        "token_digest": tokens.digest(token),
        # An IPv6 address is written as a literal (RFC 5322, section 3.6.4).
        "message_id": f"<{uuid.uuid4()}@{f'[{host}]' if ':' in host else host}>",
    }


def assign_ahead(items: Sequence[Item]) -> list[tuple[str, dict[str, Any]] | None]:
    """Return for each item its token, and the columns to write with the hand-over.

    Statements are shared. The result is None if ``assign`` has to decide. No two items belong to
    one account.
    """
    now = database.now()
    before = _predecessors([item for item in items if not item[0].token_digest])
    landings = [_landing(item[0], before.get(item[1].account_id, {})) for item in items]
    reused = [
        None if item[0].token_digest else _reusable(landing, item[1], item[2], now)
        for item, landing in zip(items, landings, strict=True)
    ]
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
    landing: dict[str, str], confirmation: Confirmation, address: Address, now: datetime
) -> tuple[int, datetime] | None:
    if not _has_reusable(confirmation, now):
        return None
    newest = (
        Delivery.objects.filter(
            confirmation=confirmation,
            generation=confirmation.generation,
            link_expires_at__gt=now + conf.get().LINK_LIFETIME / 2,
            **landing,
        )
        .exclude(token_digest="")
        .order_by("-pk")
        .first()
    )
    if newest is None or newest.link_expires_at is None:
        return None
    current = tokens.make(confirmation.selector, confirmation.generation, address.canonical)
    # The token differs if the confirmation was withdrawn or the key changed since.
    same = tokens.digest(current) == newest.token_digest
    return (confirmation.generation, newest.link_expires_at) if same else None


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


def url(token: str, client: Client | None = None) -> str:
    """Return the link to the client's page for it, or to our page if the client has none."""
    own = client.pages.get("confirm") if client else None
    return with_parameters(own, token=token) if own else page(token, client)


def page(token: str, client: Client | None = None) -> str:
    """Return the link to our page, on the base URL of the client or the site.

    The Host header of a request is never used. Under ``i18n_patterns`` the link is in the active
    language.
    """
    return with_parameters(f"{base_url(client)}{_path()}", token=token)


def base_url(client: Client | None) -> str:
    """Return the base URL of the site: the client's, or the one in the settings."""
    return (client.base_url if client else "") or conf.get().BASE_URL


def _path() -> str:
    """Return the path of our page on the site, the same in every thread of every process.

    The thread's script prefix and URLconf are not used: they may be left from its last request or
    from a command, or be unset.
    """
    before = get_script_prefix()
    set_script_prefix(f"/{(django_settings.FORCE_SCRIPT_NAME or '').lstrip('/')}")
    try:
        return reverse("resend_confirmation:confirm", urlconf=django_settings.ROOT_URLCONF)
    finally:
        set_script_prefix(before)


def with_parameters(url: str, **parameters: str) -> str:
    """Return ``url`` with ``parameters`` in its query; empty ones are left out.

    A parameter that the query already has is replaced, since readers differ in which of two they
    take. The rest of ``url``, with its fragment, stays exactly as registered.
    """
    given = {name: value for name, value in parameters.items() if value}
    if not given:
        return url
    # The URL is split by hand, since ``urlunsplit`` turns 'app:///a' into 'app:/a'.
    front, mark, fragment = url.partition("#")
    address, _, query = front.partition("?")
    kept = [part for part in query.split("&") if part and _name(part) not in given]
    return f"{address}?{'&'.join([*kept, urlencode(given)])}{mark}{fragment}"


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])

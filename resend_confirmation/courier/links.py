"""Giving a delivery its link: the same one again within the first half of its life, or the next."""

import uuid
from datetime import datetime
from urllib.parse import unquote_plus, urlencode, urlsplit

from django.conf import settings as django_settings
from django.db.models import F
from django.urls import get_script_prefix, reverse, set_script_prefix

from .. import clients, conf, database, tokens
from ..addresses import Address
from ..clients import Client
from ..models import Confirmation, Delivery
from ..outcomes import DeliveryState

#: Deliveries share a link only when it leads to the same place afterwards.
_LANDING = ("dialect", "client", "redirect", "client_state", "payload")


def assign(delivery: Delivery, confirmation: Confirmation, address: Address) -> str | None:
    """The token of ``delivery``, the same for every attempt; None when its link is dead.

    The first attempt decides the generation and writes it down with the token's digest and the
    Message-ID, before anything is sent.
    """
    canonical = address.canonical
    if delivery.token_digest:
        candidates = tokens.make_all(confirmation.selector, delivery.generation or 0, canonical)
        return next((t for t in candidates if tokens.digest(t) == delivery.token_digest), None)
    now = database.now()
    landing = _landing(delivery, confirmation)
    reusable = _reusable(landing, confirmation, address, now)
    generation, expires_at = reusable or _next(confirmation, now)
    token = tokens.make(confirmation.selector, generation, canonical)
    host = urlsplit(base_url(clients.by_name(delivery.client))).hostname or "localhost"
    values = {
        **landing,
        "generation": generation,
        "link_expires_at": expires_at,
        "token_digest": tokens.digest(token),
        # An IPv6 address is a literal (RFC 5322, section 3.6.4).
        "message_id": f"<{uuid.uuid4()}@{f'[{host}]' if ':' in host else host}>",
    }
    Delivery.objects.filter(pk=delivery.pk).update(**values)
    # Only now: where the session was cut over it, the next try must not find it done.
    for name, value in values.items():
        setattr(delivery, name, value)
    return token


def is_late(delivery: Delivery, when: datetime) -> bool:
    """Return whether half of the life that the link had for ``delivery`` is over by ``when``."""
    expires_at = delivery.link_expires_at
    if expires_at is None:
        return False
    got_at = max(delivery.asked_at, expires_at - conf.get().LINK_LIFETIME)
    return when > got_at + (expires_at - got_at) / 2


def forget(delivery: Delivery) -> None:
    """Let ``delivery``, of which nothing went out, be assigned another link and Message-ID."""
    delivery.token_digest = ""
    delivery.link_expires_at = None


def _landing(delivery: Delivery, confirmation: Confirmation) -> dict[str, str]:
    """Return where the link leads afterwards.

    What a delivery without a redirect does not say is as in the newest of its account and client:
    the redirect if it is still registered, else the client's first; and the rest.
    """
    own = {name: getattr(delivery, name) for name in _LANDING}
    client = clients.by_name(delivery.client)
    if delivery.redirect or client is None or not client.redirects:
        return own
    before: dict[str, str] = {}
    if len(client.redirects) > 1 or not delivery.dialect:
        newest = (
            Delivery.objects.filter(
                confirmation__account_id=confirmation.account_id, client=client.name
            )
            .exclude(redirect="")
            .exclude(state=DeliveryState.IGNORED)
            .exclude(pk=delivery.pk)
            .order_by("-pk")
        )
        before = newest.values(*_LANDING).first() or {}
    if not clients.redirect_by_id(client, before.get("redirect", "")):
        before = {**before, "redirect": client.redirects[0].id}
    return {name: value or before.get(name, "") for name, value in own.items()}


def _reusable(
    landing: dict[str, str], confirmation: Confirmation, address: Address, now: datetime
) -> tuple[int, datetime] | None:
    settings = conf.get()
    if settings.LINK_POLICY != "reuse":
        return None
    newest = (
        Delivery.objects.filter(
            confirmation=confirmation,
            generation=confirmation.generation,
            link_expires_at__gt=now + settings.LINK_LIFETIME / 2,
            **landing,
        )
        .exclude(token_digest="")
        .order_by("-pk")
        .first()
    )
    if newest is None or newest.link_expires_at is None:
        return None
    current = tokens.make(confirmation.selector, confirmation.generation, address.canonical)
    # A withdrawal or a new key in between made the old link another one.
    same = tokens.digest(current) == newest.token_digest
    return (confirmation.generation, newest.link_expires_at) if same else None


def _next(confirmation: Confirmation, now: datetime) -> tuple[int, datetime]:
    expires_at = now + conf.get().LINK_LIFETIME
    while True:
        row = Confirmation.objects.filter(pk=confirmation.pk, generation=confirmation.generation)
        if row.update(generation=F("generation") + 1, expires_at=expires_at):
            confirmation.generation += 1
            return confirmation.generation, expires_at
        # Another courier took this generation; the row says which is next.
        confirmation.refresh_from_db(using=database.using())


def url(token: str, client: Client | None = None) -> str:
    """The link: to the page that ``client`` has for it, else to ours."""
    own = client.pages.get("confirm") if client else None
    return with_parameters(own, token=token) if own else page(token, client)


def page(token: str, client: Client | None = None) -> str:
    """The link to our page, on the client's base or the site's, never on a request's Host header.

    Under ``i18n_patterns`` it is in the active language.
    """
    return with_parameters(f"{base_url(client)}{_path()}", token=token)


def base_url(client: Client | None) -> str:
    """Where the site is, as ``client`` names it, else by the settings."""
    return (client.base_url if client else "") or conf.get().BASE_URL


def _path() -> str:
    """Where our page is on the site, the same in every thread of every process.

    A thread's own script prefix and URLconf are those of the last request, of a command, or none.
    """
    before = get_script_prefix()
    set_script_prefix(f"/{(django_settings.FORCE_SCRIPT_NAME or '').lstrip('/')}")
    try:
        return reverse("resend_confirmation:confirm", urlconf=django_settings.ROOT_URLCONF)
    finally:
        set_script_prefix(before)


def with_parameters(url: str, **parameters: str) -> str:
    """``url`` with ``parameters`` in its query, before its fragment; empty ones are left out.

    A parameter that the query has already is replaced: which of two a reader takes is anybody's
    guess. The rest of ``url`` stays as it is registered, to the character.
    """
    given = {name: value for name, value in parameters.items() if value}
    if not given:
        return url
    # By hand, since urlunsplit writes 'app:///a' as 'app:/a'.
    front, mark, fragment = url.partition("#")
    address, _, query = front.partition("?")
    kept = [part for part in query.split("&") if part and _name(part) not in given]
    return f"{address}?{'&'.join([*kept, urlencode(given)])}{mark}{fragment}"


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])

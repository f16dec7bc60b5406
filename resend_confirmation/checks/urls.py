"""Checks of the URLs: what is mounted, where links lead, paths with two owners, open webhooks."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from anymail.exceptions import AnymailInsecureWebhookWarning
from anymail.signals import inbound
from anymail.webhooks.base import AnymailCoreWebhookView
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.http.request import split_domain_port, validate_host
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.utils.regex_helper import normalize

from .. import clients, conf
from ..courier import page_urls
from ..dialects.base.landing import callbacks, dialects_at
from ..dialects.base.routing import OPTIONAL_SLASH, is_dialect, sibling
from .registry import ID, bind

_HINT = (
    "Django uses the first pattern that matches. Mount only the dialects that your clients "
    "use, before catch-all patterns; move one of the two if both are needed."
)


@bind()
def check_pages(**_: Any) -> Iterator[CheckMessage]:
    """Yield an error if the confirm pages, which every message links to, are not mounted."""
    try:
        if getattr(settings, "ROOT_URLCONF", None):
            reverse("resend_confirmation:confirm")
            return
    except NoReverseMatch:
        pass
    yield Error(
        "The confirm pages are not mounted, so messages cannot have a link",
        hint='Add path("confirm/", include("resend_confirmation.views")) to your URLs.',
        id=f"{ID}.E008",
    )


@bind()
def check_names(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for each name under which several dialects are mounted.

    A class that inherits both the name and the landing is part of the same dialect.
    """
    found: dict[str, dict[Any, str]] = {}
    for callback in callbacks():
        for name, view in dialects_at(callback).items():
            named_by = next(cls for cls in view.__mro__ if "dialect" in vars(cls))
            key = named_by, view.landing.__func__  # type: ignore[attr-defined]
            found.setdefault(name, {}).setdefault(key, f"{view.__module__}.{view.__qualname__}")
    for name, classes in found.items():
        if len(classes) > 1:
            paths = ", ".join(classes.values())
            yield checks.Warning(
                f"Several dialects are mounted under the name {name!r}: {paths}",
                hint="The first one decides where links redirect. Give each a separate name.",
                id=f"{ID}.W037",
            )


@bind(deploy=True)
def check_webhooks(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for unauthenticated webhooks: a forged report can suppress an address."""
    # All of them count, not only the webhook of the provider in use.
    opened = sorted(
        {callback.view_class.esp_name for callback in callbacks() if _is_open(callback)}
    )
    if opened:
        yield checks.Warning(
            "These webhooks accept unauthenticated delivery reports: " + ", ".join(opened),
            hint='Set ANYMAIL["WEBHOOK_SECRET"], or mount only the webhook of your provider, '
            "with the signing key that it gave you.",
            id=f"{ID}.W007",
        )


def _is_open(callback: Any) -> bool:
    """Return whether anymail finds a webhook insecure, which it reports when the view is made.

    https://anymail.dev/en/stable/tips/securing_webhooks/
    """
    view: Any = getattr(callback, "view_class", None)
    if not (isinstance(view, type) and issubclass(view, AnymailCoreWebhookView)):
        return False
    if getattr(view, "signal", None) is inbound:
        return False  # Inbound mail, no reports of deliveries.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = view(**callback.view_initkwargs)
        except Exception:
            return False  # It refuses all requests without its signing key.
    # The warning ignores a secret that is given where the view is mounted.
    return not getattr(made, "basic_auth", None) and any(
        issubclass(each.category, AnymailInsecureWebhookWarning) for each in caught
    )


@bind()
def check_prefix(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning if BASE_URL repeats FORCE_SCRIPT_NAME, which links have anyway."""
    prefix = (settings.FORCE_SCRIPT_NAME or "").strip("/")
    path = urlsplit(conf.get().BASE_URL).path
    if prefix and path.endswith(f"/{prefix}"):
        yield checks.Warning(
            f"BASE_URL ends with FORCE_SCRIPT_NAME, so links have /{prefix} twice",
            hint="Take the path out of BASE_URL.",
            id=f"{ID}.W017",
        )


@bind()
def check_hosts(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for hosts of links that Django refuses, mailing the token to ADMINS."""
    if settings.DEBUG:
        return
    refused = {host for url in _bases() if not _is_allowed(host := urlsplit(url).netloc)}
    for host in sorted(refused):
        yield checks.Warning(
            f"Links lead to {host}, which is not in ALLOWED_HOSTS",
            hint="Add it to ALLOWED_HOSTS, or correct BASE_URL or the client's 'base_url' or page.",
            id=f"{ID}.W027",
        )


def _bases() -> Iterator[str]:
    """Yield the addresses that links to our page begin with; a client's page may be elsewhere."""
    yield conf.get().BASE_URL
    if not isinstance(conf.get().CLIENTS, list | tuple):
        return  # The table may not exist yet.
    for client in clients.registry().clients:
        yield client.base_url
        page = client.pages.get("confirm", "")
        # A page that is not mounted is reported as E008.
        with suppress(NoReverseMatch):
            if page and urlsplit(page).path == urlsplit(page_urls.page("", client)).path:
                yield page


def _is_allowed(host: str) -> bool:
    name, _ = split_domain_port(host)
    return not host or validate_host(name, settings.ALLOWED_HOSTS)


@bind()
def check_shadows(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for each pattern of the site that has a path of this package."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    patterns = get_resolver().url_patterns
    hidden: dict[str, list[str]] = {}
    hiding: dict[str, list[str]] = {}
    for pattern, path in _ours(patterns):
        found = list(_matching(patterns, path))
        places = [match for match, _ in found]
        if pattern not in places:
            continue  # Its parameters do not accept the sample value.
        general = [match for match, _ in _matching(patterns, sibling(f"/{path}")[1:])]
        for place, (match, route) in enumerate(found):
            if _is_ours(match):
                continue
            if place < places.index(pattern):
                hidden.setdefault(route, []).append(path)
            elif match not in general:
                hiding.setdefault(route, []).append(path)
    for route, paths in hidden.items():
        text = f"The site's pattern {route!r} comes before paths of this package: {_list(paths)}"
        yield checks.Warning(text, hint=_HINT, id=f"{ID}.W034")
    for route, paths in hiding.items():
        text = f"The site's pattern {route!r} gets no POST requests: {_list(paths)} matches first"
        yield checks.Warning(text, hint=_HINT, id=f"{ID}.W034")


def _list(paths: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(f"/{path}" for path in paths))


def _is_ours(pattern: URLPattern) -> bool:
    view = getattr(pattern.callback, "view_class", None)
    return is_dialect(pattern.callback) or getattr(view, "__module__", "") == f"{ID}.views"


def _ours(patterns: Iterable[Any], prefix: str = "") -> Iterator[tuple[URLPattern, str]]:
    """Yield our patterns, each with a sample path that it matches, or two."""
    for pattern in patterns:
        is_resolver = isinstance(pattern, URLResolver)
        if not is_resolver and not _is_ours(pattern):
            continue
        template, names = normalize(pattern.pattern.regex.pattern)[0]
        path = prefix + template % dict.fromkeys(names, "1")
        if is_resolver:
            yield from _ours(pattern.url_patterns, path)
        else:
            yield pattern, path
            if str(pattern.pattern).endswith(OPTIONAL_SLASH):
                yield pattern, f"{path}/"


def _matching(
    patterns: Iterable[Any], path: str, prefix: str = ""
) -> Iterator[tuple[URLPattern, str]]:
    """Yield every pattern that matches ``path``, in Django's order, with its route."""
    for pattern in patterns:
        if (found := pattern.pattern.match(path)) is None:
            continue
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _matching(pattern.url_patterns, found[0], route)
        else:
            yield pattern, route

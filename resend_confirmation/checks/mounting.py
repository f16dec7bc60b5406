"""Checks of the URLs: what is mounted of ours, and whether the webhooks beside it are guarded."""

import warnings
from collections.abc import Iterator
from typing import Any

from anymail.exceptions import AnymailInsecureWebhookWarning
from anymail.signals import inbound
from anymail.webhooks.base import AnymailCoreWebhookView
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.urls import NoReverseMatch, URLResolver, get_resolver, reverse

from ..dialects.base import DialectView
from .binding import ID, bind


def callbacks() -> Iterator[Any]:
    """The view functions of every URL of the host."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    waiting = list(get_resolver().url_patterns)
    while waiting:
        pattern = waiting.pop()
        if isinstance(pattern, URLResolver):
            waiting += pattern.url_patterns
        else:
            yield pattern.callback


def dialects() -> list[type[DialectView]]:
    """The dialects that are mounted, by name."""
    views = {getattr(callback, "cls", None) for callback in callbacks()}
    mounted = {v for v in views if isinstance(v, type) and issubclass(v, DialectView)}
    return sorted(mounted, key=lambda view: view.dialect)


@bind()
def check_pages(**_: Any) -> Iterator[CheckMessage]:
    """The confirm pages must be mounted: every message links to them."""
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


@bind(deploy=True)
def check_webhooks(**_: Any) -> Iterator[CheckMessage]:
    """Webhooks that take reports from anybody: such a report can suppress an address."""
    # The receiver hears all of them, not only that of the provider in use.
    opened = sorted(
        {callback.view_class.esp_name for callback in callbacks() if _is_open(callback)}
    )
    if opened:
        yield checks.Warning(
            f"Anybody may send delivery reports to these webhooks: {', '.join(opened)}",
            hint='Set ANYMAIL["WEBHOOK_SECRET"], or mount only the webhook of your provider, '
            "with the signing key that it gave you.",
            id=f"{ID}.W007",
        )


def _is_open(callback: Any) -> bool:
    """Whether anymail finds a webhook insecure, which it says when the view is made.

    https://anymail.dev/en/stable/tips/securing_webhooks/
    """
    view: Any = getattr(callback, "view_class", None)
    if not (isinstance(view, type) and issubclass(view, AnymailCoreWebhookView)):
        return False
    if getattr(view, "signal", None) is inbound:
        return False  # It says nothing about deliveries.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = view(**callback.view_initkwargs)
        except Exception:
            return False  # Without its signing key it answers nobody.
    # A secret that is given where it is mounted is not seen by the warning.
    return not getattr(made, "basic_auth", None) and any(
        issubclass(each.category, AnymailInsecureWebhookWarning) for each in caught
    )

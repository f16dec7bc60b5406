"""System checks: what is wrong with the settings, each with an id of its own and a hint."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils.module_loading import import_string

from . import clients, conf
from .courier.wake import CARRIERS
from .dialects.base import DialectView

ID = "resend_confirmation"


@register(ID)
def check_settings(**_: Any) -> list[CheckMessage]:
    """The dict itself: its keys, the kinds of its values, and what they name."""
    found = [_message(problem) for problem in conf.problems(conf.raw_settings())]
    if any(message.level >= Error("").level and message.id != f"{ID}.E001" for message in found):
        return found
    return [*found, *_base_url(), *_clients(), *_dotted_paths()]


def _message(problem: conf.Problem) -> CheckMessage:
    if not problem.known:
        return Error(problem.text, hint="See docs/reference/settings.md.", id=f"{ID}.E001")
    return Error(problem.text, id=f"{ID}.E002")


def _base_url() -> Iterator[CheckMessage]:
    if not conf.get().BASE_URL:
        yield Error(
            "BASE_URL is not set, so messages cannot have a working link",
            hint='Set RESEND_CONFIRMATION["BASE_URL"] to "https://<your site>".',
            id=f"{ID}.E003",
        )


def _clients() -> Iterator[CheckMessage]:
    raw = conf.get().CLIENTS
    if not isinstance(raw, list | tuple):
        return  # A host's table may not exist yet while checks run.
    if not raw:
        yield Error(
            "CLIENTS is empty, so every request is refused",
            hint='The smallest useful one is [{"name": "default"}].',
            id=f"{ID}.E004",
        )
    names: set[str] = set()
    for entry in raw:
        if problem := clients.problem_of(entry):
            yield Error(f"CLIENTS: {problem}", id=f"{ID}.E005")
            continue
        name = entry.name if isinstance(entry, clients.Client) else entry["name"]
        if name in names:
            yield Error(f"CLIENTS: two clients have the name {name!r}", id=f"{ID}.E006")
        names.add(name)


def _dotted_paths() -> Iterator[CheckMessage]:
    settings = conf.get()
    carrier = CARRIERS.get(settings.CARRIER, settings.CARRIER)
    paths = {"ACCOUNTS": settings.ACCOUNTS, "CARRIER": carrier}
    if settings.AUTHORIZATION_CODE:
        paths["AUTHORIZATION_CODE"] = settings.AUTHORIZATION_CODE
    if isinstance(settings.CLIENTS, str):
        paths["CLIENTS"] = settings.CLIENTS
    for name, path in paths.items():
        try:
            import_string(path)
        except Exception as error:
            # Not ImportError alone: a task that names a queue which is not there says so, too.
            yield Error(
                f"{name} names {path!r}, which cannot be imported: {error}", id=f"{ID}.E007"
            )


@register(ID)
def check_pages(**_: Any) -> list[CheckMessage]:
    """The confirm pages must be mounted: every message links to them."""
    try:
        reverse("resend_confirmation:confirm")
    except NoReverseMatch:
        return [
            Error(
                "The confirm pages are not mounted, so messages cannot have a link",
                hint='Add path("confirm/", include("resend_confirmation.views")) to your URLs.',
                id=f"{ID}.E008",
            )
        ]
    return []


@register(ID)
def check_dialects(**_: Any) -> list[CheckMessage]:
    """What a mounted dialect misses in a client that has an id there."""
    try:
        known = clients.registry().clients
    except Exception:
        return []
    # Dialects are known once the URLs that import them were loaded; checks run in no order.
    list(get_resolver().url_patterns)
    return [
        message
        for client in known
        for name in client.ids
        if (dialect := DialectView.by_name.get(name))
        for message in dialect.check(client)
    ]

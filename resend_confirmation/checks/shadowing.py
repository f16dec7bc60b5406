"""The check of paths with two owners: the host's patterns and ours, and which comes first."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

from ..dialects.base import Call
from ..dialects.base.pages import sibling
from .binding import ID, bind

_HINT = (
    "Django takes the first pattern that fits. Mount only the dialects that your clients speak, "
    "in front of patterns that catch everything; move one of the two if both are needed."
)


@bind()
def check_shadows(**_: Any) -> Iterator[CheckMessage]:
    """Each of the host's patterns at a path of ours, in front of it or behind."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    patterns = get_resolver().url_patterns
    hidden: dict[str, list[str]] = {}
    hiding: dict[str, list[str]] = {}
    for pattern, path in _ours(patterns):
        found = list(_matching(patterns, path))
        places = [match for match, _ in found]
        if pattern not in places:
            continue  # Its parameters take no such value.
        general = [match for match, _ in _matching(patterns, sibling(f"/{path}")[1:])]
        for place, (match, route) in enumerate(found):
            if _is_ours(match):
                continue
            if place < places.index(pattern):
                hidden.setdefault(route, []).append(path)
            elif match not in general:
                hiding.setdefault(route, []).append(path)
    for route, paths in hidden.items():
        text = f"The site's pattern {route!r} stands before paths of this package: {_list(paths)}"
        yield checks.Warning(text, hint=_HINT, id=f"{ID}.W034")
    for route, paths in hiding.items():
        text = f"The site's pattern {route!r} gets no POST, for this package has {_list(paths)}"
        yield checks.Warning(text, hint=_HINT, id=f"{ID}.W034")


def _list(paths: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(f"/{path}" for path in paths))


def _is_ours(pattern: URLPattern) -> bool:
    cls = getattr(pattern.callback, "cls", None)
    view = getattr(pattern.callback, "view_class", None)
    is_call = isinstance(cls, type) and issubclass(cls, Call)
    return is_call or getattr(view, "__module__", "") == f"{ID}.views"


def _ours(patterns: Iterable[Any], prefix: str = "") -> Iterator[tuple[URLPattern, str]]:
    """Our patterns, each with a path that it may take."""
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


def _matching(
    patterns: Iterable[Any], path: str, prefix: str = ""
) -> Iterator[tuple[URLPattern, str]]:
    """Every pattern that takes ``path``, in Django's order, with its route."""
    for pattern in patterns:
        if (found := pattern.pattern.match(path)) is None:
            continue
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _matching(pattern.url_patterns, found[0], route)
        else:
            yield pattern, route

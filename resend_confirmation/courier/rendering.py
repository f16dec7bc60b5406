"""Rendering of a message's parts; recipients share the text of the packaged templates."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.template.loader import get_template, select_template
from django.utils import timezone, translation
from django.utils.html import escape

#: The packaged templates, which print the values in ``_MARKS`` as they are and read ``_SHARED``.
_PACKAGED = str(Path(__file__).parents[1] / "templates")
#: A mark for each value that differs between recipients.
_MARKS = {name: f"\ue000{name}\ue000" for name in ("link", "disown_link", "user_name")}
_CODE = "\ue000code\ue000"
_SHARED = (
    "expires_at",
    "number",
    "language",
    "site_name",
    "support_url",
    "logo",
    "accent",
    "accent_text",
)
_MARK = re.compile("\ue000([a-z_]+)\ue000")


def render(suffix: str, context: dict[str, Any]) -> str:
    """Render the client's template with ``suffix``, or the site's.

    Rendering takes longer than sending, so a packaged template is rendered once for the deliveries
    of a batch, with marks that are replaced by each recipient's values. A host's template may use
    any value in any way, and is rendered for each message.
    """
    client = context["client"]
    names = [f"resend_confirmation/{client}/message{suffix}"] if client else []
    template: Any = select_template([*names, f"resend_confirmation/message{suffix}"])
    origin = getattr(template, "origin", None)
    if not str(getattr(origin, "name", "")).startswith(_PACKAGED):
        return str(template.render(context))
    shared = {name: context[name] for name in _SHARED}
    # The templates print the day of the sign-up, and the minute of a request except the first.
    at, asked_at = context["signed_up_at"], context["asked_at"]
    day = timezone.localtime(at) if timezone.is_aware(at) else at
    shared["signed_up_at"] = day.replace(hour=12, minute=0, second=0, microsecond=0)
    minute = asked_at.replace(second=0, microsecond=0)
    shared["asked_at"] = minute if context["number"] > 1 else None
    # The templates leave out the code of a message that has none.
    shared["code"] = _CODE if context["code"] else None
    place = translation.get_language(), timezone.get_current_timezone_name()
    parts = _parts(template.template.name, place, tuple(shared.items())).copy()
    for index in range(1, len(parts), 2):
        value = context[parts[index]]
        parts[index] = escape(value) if suffix == ".html" else value
    return "".join(parts)


@lru_cache(maxsize=64)
def _parts(name: str, place: object, shared: tuple[tuple[str, Any], ...]) -> list[str]:
    """Return the rendered text, with the name of a mark in every second place."""
    return _MARK.split(get_template(name).render(dict(shared) | _MARKS))

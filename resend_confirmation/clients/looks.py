"""Keys of a client for its messages and pages: its name, sender, support, logo and colour."""

import re
from collections.abc import Callable
from email.policy import default as policy
from typing import Any
from urllib.parse import unquote

from ..addresses import Address
from ..conf import WrongValueError, values

#: An absolute URL in printable ASCII, without backslashes, and its origin.
_WEB = re.compile(r"(https://[a-z0-9.-]+(?::[0-9]+)?)(?:[/?#][!-\[\]-~]*)?", re.IGNORECASE)
_MAIL = re.compile(r"mailto:([!->@-\[\]-~]+)(?:\?[!-\[\]-~]*)?", re.IGNORECASE)
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)

#: The share of a colour up to which its luminance is linear.
_DARK = 0.04045

#: The colour of buttons.
ACCENT = "#14532d"


def mailbox(value: object) -> str:
    """Read one address, with or without a name, or an empty string."""
    line = values.line(value)
    if not line:
        return ""
    header: Any = policy.header_factory("From", line)
    is_single = len(header.addresses) == 1 and header.groups[0].display_name is None
    if not is_single or header.defects or not Address.parse(header.addresses[0].addr_spec):
        raise WrongValueError("takes one address, such as 'Site <hello@site.example>'")
    return line


def logo(value: object) -> str:
    """Read the URL of an image, or an empty string."""
    url = values.text(value)
    if url and not _WEB.fullmatch(url):
        raise WrongValueError("takes an absolute URL, such as 'https://site.example/logo.png'")
    return url


def support_url(value: object) -> str:
    """Read the URL of a page or a mailbox, or an empty string."""
    url = values.text(value)
    found = _MAIL.fullmatch(url)
    if url and not (Address.parse(unquote(found[1])) if found else _WEB.fullmatch(url)):
        raise WrongValueError(
            "takes an absolute URL, such as 'https://site.example/help' or "
            "'mailto:help@site.example'"
        )
    return url


def accent(value: object) -> str:
    """Read a colour, or an empty string."""
    colour = values.text(value)
    if colour and not _COLOUR.fullmatch(colour):
        raise WrongValueError("takes a colour such as '#14532d'")
    return colour


#: For each key its reader, and whether it is a URL.
READERS: dict[str, tuple[Callable[[object], str], bool]] = {
    "title": (values.line, False),
    "from_email": (mailbox, False),
    "reply_to": (mailbox, False),
    "support_url": (support_url, True),
    "logo": (logo, True),
    "accent": (accent, False),
}


def origin(url: str) -> str:
    """Return scheme, host and port of a logo's URL; an empty string if there is none."""
    found = _WEB.fullmatch(url)
    return found[1] if found else ""


def text_colour(background: str) -> str:
    """Return white, or black if that has the higher contrast on ``background``.

    The ratio of the contrast is at least 4.5 for each colour (WCAG 2.2, 1.4.3).
    """
    luminance = _luminance(background)
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.2 defines it."""
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= _DARK else float(((c + 0.055) / 1.055) ** 2.4) for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

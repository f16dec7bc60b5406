"""The cases of the package's dialects, from their vendors' test modules.

Each vendor's test module lists its cases for the contract in ``CASES``.
"""

import re
from html import unescape
from importlib import import_module
from typing import Any

from resend_confirmation.dialects.base import ResendView, mounted_dialects
from resend_confirmation.testing.dialects import (
    ADDRESS,
    NOW,
    Case,
    Reply,
    Request,
    expected,
    link_of,
    to_reply,
    token_of,
)
from resend_confirmation.testing.dialects import Answers as Endings

__all__ = [
    "ADDRESS",
    "NOW",
    "Case",
    "Endings",
    "Reply",
    "Request",
    "all_cases",
    "expected",
    "first_cases",
    "link_of",
    "module_of",
    "package_dialects",
    "to_reply",
    "token_of",
    "vendor_cases",
    "way_on",
]

PACKAGE = "resend_confirmation.dialects."


def package_dialects() -> list[type[ResendView]]:
    """Return the dialects of the package that are mounted by the test site."""
    return [v for v in mounted_dialects().values() if v.__module__.startswith(PACKAGE)]


def module_of(view: type[ResendView]) -> str:
    """Return the name of a dialect's test module: ``test_x`` for ``x.py``."""
    return f"tests.dialects.test_{view.__module__.removeprefix(PACKAGE).partition('.')[0]}"


def all_cases() -> list[Case]:
    """Return all cases of the package's dialects."""
    modules = dict.fromkeys(module_of(view) for view in package_dialects())
    return [case for module in modules for case in import_module(module).CASES]


def first_cases() -> list[Case]:
    """Return the first case of each dialect: its other cases are further URLs of the same view."""
    return list({case.view.dialect: case for case in reversed(all_cases())}.values())[::-1]


def vendor_cases() -> list[Case]:
    """Return the first case of each vendor: its other dialects have mostly the same answers."""
    return list({module_of(case.view): case for case in reversed(all_cases())}.values())[::-1]


def way_on(response: Any) -> str:
    """Return the URL after the button: that of the redirect, or of the page's link to an app."""
    if "Location" in response:
        return str(response["Location"])
    (found,) = re.findall(
        r'<a href="([^"]*)" rel="noreferrer">Continue</a>', response.content.decode()
    )
    return unescape(found)

"""Keeping rows, which go with their account and never alone, and keeping them out of reports."""

from typing import Any

from django.http import HttpRequest
from django.urls import URLPattern

from .. import failures


def is_of_its_own(request: HttpRequest, opts: Any) -> bool:
    """Whether ``request`` is for a page of the model's own, not for that of an account.

    Django's page that deletes an account asks the same permission for all that goes with it.
    """
    page = request.resolver_match
    name = (page.url_name if page else None) or ""
    return name.startswith(f"{opts.app_label}_{opts.model_name}_")


def discreet(pages: list[URLPattern]) -> list[URLPattern]:
    """Return the pages of an admin, whose errors go up to Django without rows and variables."""
    for page in pages:
        page.callback = failures.discreet(page.callback)
    return pages

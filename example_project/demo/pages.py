"""Pages of the example site, which load scripts and styles from files of the site alone."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def page(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """Render a template with a strict policy (CSP level 3)."""
    response = render(request, template, context)
    response["Content-Security-Policy"] = POLICY
    return response

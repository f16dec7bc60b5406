"""An empty URLconf, set so that 404s are not redirected and error pages carry our headers."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver, set_urlconf
from django.utils.translation import get_language_from_path

urlpatterns: list[Any] = []

#: Headers of every page behind a link, which keep the token in its URL from leaking.
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def keep_404(request: HttpRequest) -> None:
    """Keep LocaleMiddleware from replacing the 404 that ``request`` is answered with.

    For a path without a language prefix, the middleware would look for the path with one, and
    redirect to any page that the host has there. Clients repeat a redirected POST as GET.
    """
    if not get_language_from_path(request.path_info):
        request.urlconf = __name__


def add_headers_to_error_page() -> None:
    """Add our headers to the host's error page; call it while an exception propagates.

    The host's error handling works as usual: reports, rollbacks and the error page.
    """
    if not settings.DEBUG:
        set_urlconf(__name__)


def _guarded(status: int) -> Callable[..., HttpResponse]:
    def handle(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        urlconf = getattr(request, "urlconf", None) or settings.ROOT_URLCONF
        set_urlconf(urlconf)
        handler: Callable[..., HttpResponse] = get_resolver(urlconf).resolve_error_handler(status)
        response = handler(request, **kwargs)
        for name, value in PAGE_HEADERS.items():
            response[name] = value
        return response

    return handle


handler400 = _guarded(HTTPStatus.BAD_REQUEST)
handler403 = _guarded(HTTPStatus.FORBIDDEN)
handler404 = _guarded(HTTPStatus.NOT_FOUND)
handler500 = _guarded(HTTPStatus.INTERNAL_SERVER_ERROR)

"""Base class of the pages: reads the token and renders in the language of the message."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.encoding import iri_to_uri
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters

from .. import addresses, clients, errors, failures, languages, redaction
from ..clients import Client, looks
from ..courier import brand, message
from ..dialects.base import is_web, landing_of, with_parameters
from ..engine import Opened
from ..outcomes import Verdict

TEMPLATE = "resend_confirmation/page.html"

STATUSES = {
    Verdict.READY: HTTPStatus.OK,
    Verdict.CONFIRMED: HTTPStatus.OK,
    Verdict.ALREADY: HTTPStatus.OK,
    Verdict.EXPIRED: HTTPStatus.GONE,
    Verdict.DEAD: HTTPStatus.GONE,
    Verdict.FOREIGN: HTTPStatus.NOT_FOUND,
}


class SeeOther(HttpResponse):
    """303 (RFC 9110): browsers follow with GET. For registered addresses only."""

    status_code = HTTPStatus.SEE_OTHER

    def __init__(self, url: str) -> None:
        # Django's redirect refuses custom schemes, and apps register them.
        super().__init__()
        self["Location"] = iri_to_uri(url)

    @property
    def url(self) -> str:
        """The address, which Django's test client follows."""
        return str(self["Location"])


# CSRF does not apply: the token is the authority, and no session is used.
@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class LinkPage(View):
    """A page that loads nothing from third parties and leaks neither token nor address."""

    http_method_names = ["get", "head", "post"]
    token: redaction.Secret
    address: redaction.Secret

    @method_decorator(sensitive_post_parameters())
    @method_decorator(failures.discreet)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add headers that keep the token from other sites (CSP level 3, Referrer Policy)."""
        # Done first, so that error reports from here on have a request without the token.
        try:
            self.token, self.address = redaction.take(request, *kwargs.values())
            response: HttpResponse = super().dispatch(request)  # type: ignore[assignment]
        except Exception as error:
            errors.add_headers_to_error_page()
            raise failures.without_text(error) from None
        if response.status_code == HTTPStatus.NOT_FOUND:
            errors.keep_404(request)
        for name, value in errors.PAGE_HEADERS.items():
            response[name] = value
        if "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = _policy(None)
        return response

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Refuse the method; answer a GET, such as a reload after a form, with a helpful page."""
        refused: HttpResponse = super().http_method_not_allowed(request, *args, **kwargs)
        if request.method == "GET":
            page = self.page(Opened(Verdict.FOREIGN), status=HTTPStatus.METHOD_NOT_ALLOWED)
            page["Allow"] = refused["Allow"]
            return page
        return refused

    def page(self, opened: Opened, status: HTTPStatus | None = None, **more: Any) -> HttpResponse:
        """Render the page for a verdict, with the client's landing address."""
        return self.render(opened, landing(opened), status, **more)

    def render(
        self,
        opened: Opened,
        target: str | None,
        status: HTTPStatus | None = None,
        *,
        language: str = "",
        client: str = "",
        **more: Any,
    ) -> HttpResponse:
        """Render the page in the language of the message."""
        delivery, confirmation, account = opened.delivery, opened.confirmation, opened.account
        shown = client_of(opened, client)
        with localised(self.request, opened, language):
            context = {
                "verdict": opened.verdict.value,
                "token": opened.token,
                "landing": redaction.Secret(target) if target else target,
                "retry_after": 0,
                "expires_at": delivery and delivery.link_expires_at,
                "signed_up_at": confirmation and confirmation.requested_at,
                "user_name": addresses.mask_name(account.username) if account else "",
                "masked_address": addresses.mask(confirmation.address) if confirmation else "",
                "language": languages.catalogue_language(),
                "accent_client": shown.name if shown and shown.accent else "",
                **brand.variables(shown),
                **more,
            }
            body = render_to_string(TEMPLATE, context, request=self.request)
            response = HttpResponse(body, status=status or STATUSES[opened.verdict])
            if hasattr(self.request, "LANGUAGE_CODE"):
                # LocaleMiddleware would name the browser's language.
                response["Content-Language"] = translation.get_language() or ""
        response["Content-Security-Policy"] = _policy(target, str(context["logo"]))
        if context["retry_after"]:
            response["Retry-After"] = str(context["retry_after"])
        return response

    def done(self, name: str, opened: Opened) -> SeeOther:
        """Redirect to the page with the result, which is safe to reload."""
        with localised(self.request, opened):
            where = reverse(f"resend_confirmation:{name}", urlconf=_urlconf(self.request))
            language = translation.get_language() or ""
        # The page without the parameter is that of the default client.
        shown, usual = client_of(opened), client_of(Opened(Verdict.FOREIGN))
        client = shown.name if shown and shown != usual else ""
        return SeeOther(with_parameters(where, language=language, client=client))


@contextmanager
def localised(request: HttpRequest, opened: Opened, language: str = "") -> Iterator[None]:
    """Activate the language of the message; else of ``language`` or the browser."""
    # LocaleMiddleware may have chosen by the path or a cookie.
    chosen = getattr(request, "LANGUAGE_CODE", "") or translation.get_language_from_request(request)
    if opened.delivery and opened.confirmation:
        with message.localised(opened.delivery, opened.confirmation, chosen):
            yield
        return
    with translation.override(languages.site_language(language or chosen)):
        yield


def _urlconf(request: HttpRequest) -> Any:
    return getattr(request, "urlconf", None)


def landing(opened: Opened) -> str | None:
    """Return the landing address, or None if the dialect fails: the click has already counted."""
    if opened.verdict is Verdict.READY:
        # The button's response redirects there, so the page's policy must allow it.
        opened = Opened(Verdict.ALREADY, opened.delivery, opened.account)
    try:
        return landing_of(opened)
    except Exception:
        client = opened.delivery.client if opened.delivery else ""
        failures.report("No landing URL could be created for the client %r", client)
        return None


def client_of(opened: Opened, name: str = "") -> Client | None:
    """Return the client whose name, logo and colour the page has, or None for the site's.

    A link that is not genuine belongs to none, and gets the page of the default client. An error
    does not prevent the page: the click has already counted.
    """
    name = opened.delivery.client if opened.delivery else name
    try:
        return clients.by_name(name) if opened.delivery or name else clients.default()
    except Exception:
        failures.report("The page of the client %r has the name of the site", name)
        return None


def _policy(landing: str | None, logo: str = "") -> str:
    """Return a policy that allows our stylesheet, the logo, our form and the redirect after it.

    Chromium applies ``form-action`` to the redirects of a form too.
    """
    image = f"img-src {looks.origin(logo)}; " if logo else ""
    target = ""
    if landing and is_web(landing):
        parts = urlsplit(landing)
        target = f" {parts.scheme}://{parts.netloc}"
    return (
        f"default-src 'none'; style-src 'self'; {image}base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{target}"
    )

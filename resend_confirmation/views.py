"""The pages behind a link, itself a URLconf: GET shows a button, POST presses it."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path, re_path
from django.utils.decorators import method_decorator
from django.utils.encoding import iri_to_uri
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters

from . import engine, errors, failures, languages, redaction
from .dialects.base import landing_of
from .engine import Opened, Result
from .outcomes import Outcome, Verdict

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
    """303 (RFC 9110): the browser follows with GET. Only for registered addresses."""

    status_code = HTTPStatus.SEE_OTHER

    def __init__(self, url: str) -> None:
        # Django's redirect refuses custom schemes, and apps register them.
        super().__init__()
        self["Location"] = iri_to_uri(url)


# The token is the authority, and there is no session that a forged request could ride on.
@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class TokenView(View):
    """What the two pages share: a token comes in, a page without third parties goes out."""

    http_method_names = ["get", "head", "post"]
    token: redaction.Secret

    @method_decorator(sensitive_post_parameters())
    @method_decorator(failures.discreet)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer with headers that keep the token here (CSP level 3, Referrer Policy)."""
        # First of all, so that whatever fails from here on reports a request without it.
        try:
            self.token = redaction.take_token(request, *kwargs.values())
            response: HttpResponse = super().dispatch(request)  # type: ignore[assignment]
        except Exception:
            errors.guard()
            raise
        errors.keep(request, response)
        for name, value in errors.HEADERS.items():
            response[name] = value
        if "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = _policy(None)
        return response

    def page(self, opened: Opened, **more: object) -> HttpResponse:
        """The page for a verdict."""
        landing = _landing(opened)
        context = {
            "verdict": opened.verdict.value,
            "token": opened.token,
            "landing": redaction.Secret(landing) if landing else landing,
            "renewed": False,
            "retry_after": 0,
            "language": languages.of_our_texts(),
            **more,
        }
        body = render_to_string(TEMPLATE, context, request=self.request)
        response = HttpResponse(body, status=STATUSES[opened.verdict])
        response["Content-Security-Policy"] = _policy(landing)
        return response


class ConfirmView(TokenView):
    """The link in the message. GET and HEAD change nothing, since mail scanners send them."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the button, or why there is none."""
        return self.page(engine.inspect(self.token))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Confirm, and lead on to where the client wants people to go."""
        opened = engine.confirm(self.token)
        if opened.verdict is Verdict.CONFIRMED and (landing := _landing(opened)):
            return SeeOther(landing)
        return self.page(opened)


class RenewView(TokenView):
    """The expired page's button: a new link in place of the old."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send a new link to the address that the expired one was sent to."""
        result = engine.renew(self.token)
        if result is None:
            return self.page(engine.inspect(self.token))
        response = self.page(Opened(Verdict.EXPIRED, token=self.token), **_renewed(result))
        response.status_code = HTTPStatus.OK
        if result.retry_after:
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
            response["Retry-After"] = str(result.retry_after)
        return response


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class StyleView(View):
    """The pages' stylesheet, so that a strict policy needs no static files of the host's."""

    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer as guarded as the pages; a refusal is no more kept than theirs."""
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[assignment]
        response.headers.setdefault("Cache-Control", "no-store")
        response["Referrer-Policy"] = "no-referrer"
        response["X-Content-Type-Options"] = "nosniff"
        response["X-Frame-Options"] = "DENY"
        response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return response

    def get(self, request: HttpRequest) -> HttpResponse:
        """The same bytes for everybody."""
        style = render_to_string("resend_confirmation/page.css")
        response = HttpResponse(style, content_type="text/css; charset=utf-8")
        response["Cache-Control"] = "public, max-age=3600"
        return response


def _renewed(result: Result) -> dict[str, object]:
    return {"renewed": result.ending is Outcome.SENT, "retry_after": result.retry_after}


def _landing(opened: Opened) -> str | None:
    """Where to go on; our own page where the dialect cannot say, since the click has counted."""
    if opened.verdict is Verdict.READY:
        # The button's answer will be a redirect there, which the page's policy must allow.
        opened = Opened(Verdict.ALREADY, opened.delivery, opened.account)
    try:
        return landing_of(opened)
    except Exception:
        client = opened.delivery.client if opened.delivery else ""
        failures.report("No landing address could be made for the client %r", client)
        return None


def _policy(landing: str | None) -> str:
    """A policy that allows our stylesheet, our form and the redirect that answers it.

    Chromium holds a form's redirects to ``form-action`` too.
    """
    target = ""
    if landing:
        parts = urlsplit(landing)
        is_web = parts.scheme in {"http", "https"}
        target = f" {parts.scheme}://{parts.netloc}" if is_web else f" {parts.scheme}:"
    return (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{target}"
    )


app_name = "resend_confirmation"

urlpatterns = [
    path("", ConfirmView.as_view(), name="confirm"),
    path("new/", RenewView.as_view(), name="renew"),
    path("style.css", StyleView.as_view(), name="style"),
    # Where a program encoded the question mark, or put something in front of it.
    re_path(r"^(?P<damaged>[^A-Za-z0-9_/-][\s\S]*)\Z", ConfirmView.as_view()),
]

"""The confirm pages and their URLconf: GET shows a button, POST performs its action."""

from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path, re_path
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from .. import clients, engine
from ..courier import brand
from ..dialects.base import is_web
from ..engine import Opened, ResendRequest
from ..outcomes import CONCEALED, Verdict
from ..throttling import throttle
from ..throttling.throttle import Caller
from .page import LinkPage, SeeOther, landing, localised


class ConfirmPage(LinkPage):
    """The page that a message links to. GET and HEAD change nothing: mail scanners send them."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the button, or the reason why it is missing."""
        return self.page(engine.inspect(self.token))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Confirm, then redirect to the client's landing address.

        An address with an app's own scheme is shown as a link instead: a browser without the app
        does not follow the redirect, and browsers inside apps need a tap.
        """
        opened = engine.confirm(self.token)
        target = landing(opened)
        if opened.verdict is Verdict.CONFIRMED and target and is_web(target):
            return SeeOther(target)
        return self.render(opened, target)


class RenewPage(LinkPage):
    """The button of the expired page, which sends a new link."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send a new link to the address that the expired one was sent to."""
        opened = engine.inspect(self.token)
        result = engine.renew(self.token)
        if result is None:
            return self.page(opened)
        if result.retry_after:
            status = HTTPStatus.TOO_MANY_REQUESTS
            return self.page(opened, status, retry_after=result.retry_after)
        return self.done("sent", opened)


class DisownPage(LinkPage):
    """The button for people who did not sign up."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Withdraw the confirmation, which invalidates its links."""
        opened = engine.disown(self.token)
        if opened.verdict in {Verdict.READY, Verdict.EXPIRED}:
            return self.done("disowned", opened)
        return self.page(opened)


class RequestPage(LinkPage):
    """The form on pages without a usable link: it requests a new message for an address."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Request a message as a quiet dialect does; the response is the same for every address."""
        opened = engine.inspect(self.token)
        if exceeded := throttle.check(request, "pages"):
            status = HTTPStatus.TOO_MANY_REQUESTS
            return self.page(opened, status, retry_after=exceeded.retry_after, too_often=True)
        client = clients.by_name(opened.delivery.client) if opened.delivery else None
        with localised(request, opened):
            language = translation.get_language() or ""
        engine.resend(
            ResendRequest(
                identity=self.address,
                client=client or clients.default(),
                dialect=opened.delivery.dialect if opened.delivery and client else "",
                accept_language=language,
                quiet=CONCEALED,
                caller=Caller(request, "pages"),
            )
        )
        return self.done("asked", opened)


class DonePage(LinkPage):
    """The page after a form's redirect, with the result. Reloading it does nothing."""

    http_method_names = ["get", "head"]
    what = ""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Read the language and the client of the form's page."""
        super().setup(request, *args, **kwargs)
        self.given = {name: request.GET.get(name, "") for name in ("language", "client")}

    def get(self, request: HttpRequest) -> HttpResponse:
        opened = Opened(Verdict.FOREIGN)
        return self.page(opened, HTTPStatus.OK, verdict=self.what, **self.given)


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class StylesheetView(View):
    """The stylesheet of the pages, which therefore need none of the host's static files."""

    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add the pages' security headers; do not cache errors."""
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[assignment]
        response.headers.setdefault("Cache-Control", "no-store")
        response["Referrer-Policy"] = "no-referrer"
        response["X-Content-Type-Options"] = "nosniff"
        response["X-Frame-Options"] = "DENY"
        response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return response

    def get(self, request: HttpRequest) -> HttpResponse:
        name = request.GET.get("client")
        client = clients.by_name(name) if name else None
        style = render_to_string("resend_confirmation/page.css", brand.variables(client))
        response = HttpResponse(style, content_type="text/css; charset=utf-8")
        response["Cache-Control"] = "public, max-age=3600"
        return response


app_name = "resend_confirmation"

urlpatterns = [
    path("", ConfirmPage.as_view(), name="confirm"),
    path("new/", RenewPage.as_view(), name="renew"),
    path("sent/", DonePage.as_view(what="sent"), name="sent"),
    path("request/", RequestPage.as_view(), name="request"),
    path("asked/", DonePage.as_view(what="asked"), name="asked"),
    path("not-me/", DisownPage.as_view(), name="disown"),
    path("disowned/", DonePage.as_view(what="disowned"), name="disowned"),
    path("style.css", StylesheetView.as_view(), name="style"),
    # A program encoded the question mark, doubled the slash or put something in between.
    re_path(r"^(?P<damaged>/*(?:[^A-Za-z0-9_/-][\s\S]*)?)\Z", ConfirmPage.as_view()),
]

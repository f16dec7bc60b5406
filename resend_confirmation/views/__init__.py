"""The pages behind a link, itself a URLconf: GET shows a button, POST presses it."""

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
from ..dialects.base import is_web, throttle
from ..dialects.base.storing import Caller
from ..engine import Opened, ResendRequest
from ..outcomes import CONCEALED, Verdict
from .page import PageView, SeeOther, landing, speaking


class ConfirmView(PageView):
    """The link in the message. GET and HEAD change nothing, since mail scanners send them."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the button, or why there is none."""
        return self.page(engine.inspect(self.token))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Confirm, and lead on to where the client wants people to go.

        To an app's own scheme by a link alone: where the app is missing, browsers stay where they
        are, and those inside apps go there by a tap alone.
        """
        opened = engine.confirm(self.token)
        target = landing(opened)
        if opened.verdict is Verdict.CONFIRMED and target and is_web(target):
            return SeeOther(target)
        return self.render(opened, target)


class RenewView(PageView):
    """The expired page's button: a new link in place of the old."""

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


class DisownView(PageView):
    """The button of those who did not sign up."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Withdraw the confirmation, which kills its links."""
        opened = engine.disown(self.token)
        if opened.verdict in {Verdict.READY, Verdict.EXPIRED}:
            return self.done("disowned", opened)
        return self.page(opened)


class AskView(PageView):
    """The field of pages that cannot go on: a new message, whoever has the address or none."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask as a quiet dialect does, and answer the same for every address."""
        opened = engine.inspect(self.token)
        if exceeded := throttle.check(request, "pages"):
            status = HTTPStatus.TOO_MANY_REQUESTS
            return self.page(opened, status, retry_after=exceeded.retry_after, too_often=True)
        client = clients.by_name(opened.delivery.client) if opened.delivery else None
        with speaking(request, opened):
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


class DoneView(PageView):
    """What was done, after the redirect that follows a form: loading it again does nothing."""

    http_method_names = ["get", "head"]
    what = ""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Keep the language, which the form's page was in."""
        super().setup(request, *args, **kwargs)
        self.language = request.GET.get("language", "")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say it."""
        opened = Opened(Verdict.FOREIGN)
        return self.page(opened, HTTPStatus.OK, verdict=self.what, language=self.language)


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


app_name = "resend_confirmation"

urlpatterns = [
    path("", ConfirmView.as_view(), name="confirm"),
    path("new/", RenewView.as_view(), name="renew"),
    path("sent/", DoneView.as_view(what="sent"), name="sent"),
    path("ask/", AskView.as_view(), name="ask"),
    path("asked/", DoneView.as_view(what="asked"), name="asked"),
    path("not-me/", DisownView.as_view(), name="disown"),
    path("disowned/", DoneView.as_view(what="disowned"), name="disowned"),
    path("style.css", StyleView.as_view(), name="style"),
    # Where a program encoded the question mark, or put something in front of it.
    re_path(r"^(?P<damaged>[^A-Za-z0-9_/-][\s\S]*)\Z", ConfirmView.as_view()),
]

"""Base views for requests with the token of a link: they confirm, or redirect to our page."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse

from ... import clients, engine
from ...courier import page_urls
from ...engine import Named
from ...outcomes import Ending, Verdict
from .views import VendorView


class TokenView(VendorView):
    """The common base of ConfirmView and LinkView."""

    def named(self, request: HttpRequest, values: Mapping[str, Any]) -> Named:
        """Return the client and the account that the request names."""
        client = self.find_client(request, values)
        return Named(client.name if client else "", values.get("identity"))


class ConfirmView(TokenView):
    """A vendor's request to confirm, by the token in the input with the source ``token``.

    ``answers`` needs a row for every Verdict, and for the refusals that are possible here:
    INVALID, MALFORMED, TOO_LARGE, THROTTLED, WRONG_METHOD and FAILED. ``result`` is an
    ``engine.Opened``. A confirmation does not log the account in.

    The token must be from a message for the client that ``find_client`` returns. If the request
    has an ``identity``, it must name the token's account. Any other token is FOREIGN.
    """

    succeeded: ClassVar[Ending | Verdict] = Verdict.CONFIRMED

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> HttpResponse:
        """Confirm: of several requests with one token, the first is CONFIRMED, others ALREADY."""
        opened = engine.confirm(values["token"], self.named(request, values))
        return self.respond(opened.verdict, result=opened)


class LinkView(TokenView):
    """The link in a vendor's own messages: a GET redirects to our page and confirms nothing.

    Mail scanners can therefore open it. The row of READY is the redirect. Other verdicts with the
    same row redirect too, since our page has a text for each of them.
    """

    method: ClassVar[str] = "get"
    succeeded: ClassVar[Ending | Verdict] = Verdict.READY

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> HttpResponse:
        """Inspect the token without changing anything."""
        opened = engine.inspect(values["token"], self.named(request, values))
        response = self.respond(opened.verdict, result=opened)
        if self.answers[opened.verdict] == self.answers[self.succeeded]:
            client = clients.by_name(opened.delivery.client) if opened.delivery else None
            response["Location"] = page_urls.page(opened.token, client)
        return response

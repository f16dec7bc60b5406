"""Views for dialects to subclass: resend a message, confirm, and follow a vendor's link."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.checks import CheckMessage
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.response import Response

from ... import clients, conf, engine, languages
from ...clients import Client
from ...courier import links
from ...engine import Opened, ResendRequest, Result
from ...outcomes import CONCEALED, Ending, Outcome, Verdict
from ...signals import ended
from ...throttling.throttle import Caller
from .answers import Answer, ErrorDetails, quiet_endings
from .vendor_view import VendorView


class ResendView(VendorView):
    """A vendor's request to resend the message; see docs/how-to/add-a-dialect.md.

    A subclass sets ``dialect``, ``answers``, ``operation``, the serializers of the inputs and of
    both envelopes, and implements ``error_body``. The ``source`` of an input's field is our name
    for it: identity, client, redirect, client_state, payload, language.
    """

    #: True if the caller may name a redirect; derived from the serializers of the inputs.
    names_redirect: ClassVar[bool] = False
    #: The required input that names the client, if there is one; derived in the same way.
    client_field: ClassVar[serializers.Field[Any, Any, Any, Any] | None] = None
    #: True if the redirect carries an authorization code, issued by AUTHORIZATION_CODE_ISSUER.
    lands_with_code: ClassVar[bool] = False

    _quiet: ClassVar[frozenset[Ending]] = frozenset()
    #: The answer that was rendered in the transaction, and the result that it is for.
    _rendered: tuple[Result, Response] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Derive attributes from the serializers and from the table."""
        super().__init_subclass__(**kwargs)
        cls._quiet = quiet_endings(cls.answers)
        inputs = (cls.path_class, cls.header_class, cls.query_class, cls.body_class)
        declared = [field for form in inputs if form for field in form().fields.values()]
        required = [f for f in declared if f.source == "client" and f.required]
        cls.client_field = next(iter(required), None)
        cls.names_redirect = any("redirect" in _sources(form()) for form in inputs if form)

    # Methods for dialects to override

    def success_body(self, answer: Answer, result: Result) -> Any:
        return None

    @classmethod
    def landing(cls, opened: Opened, client: Client, url: str) -> str | None:
        """Return the URL to redirect to after ``opened``; ``url`` is registered for ``client``.

        None keeps the browser on our own page.
        """
        return url

    @classmethod
    def check(cls, client: Client) -> list[CheckMessage]:
        """Return messages on what ``client`` lacks here, for ``manage.py check --deploy``."""
        return []

    @classmethod
    def admits(cls, client: Client) -> bool:
        """Return whether requests of ``client`` are served here, for the check W033.

        Override it along with ``find_client``, unless that finds clients by their id in the
        required input or returns the default client.
        """
        if not client.required:
            return False
        if cls.find_client is ResendView.find_client:
            return client == clients.default()
        if cls.client_field is None:
            return True
        try:
            cls.client_field.run_validation(client.ids.get(cls.dialect))
        except serializers.ValidationError:
            return False
        return True

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Pass the request to the engine, and answer with its result."""
        client = self.find_client(request, values)
        given = {name: str(value) for name, value in values.items() if value is not None}
        result = engine.resend(
            ResendRequest(
                identity=given.get("identity", ""),
                client=client,
                dialect=self.dialect,
                redirect=given.get("redirect", "") if self.names_redirect else None,
                client_state=given.get("client_state", ""),
                payload=given.get("payload", ""),
                language=given.get("language", ""),
                accept_language=languages.of_request(request),
                quiet=self.quiet(),
                caller=Caller(request, self.dialect),
                before_commit=self._render,
            )
        )
        name = client.name if client else ""
        return self.respond(
            result.ending, ErrorDetails(retry_after=result.retry_after), result, name
        )

    @classmethod
    def quiet(cls) -> frozenset[Ending]:
        """Return the endings answered like SENT, by the vendor's table or the host's setting."""
        silenced = CONCEALED if conf.get().is_quiet(cls.dialect) else frozenset()
        return cls._quiet | silenced

    def respond(
        self,
        ending: Ending | Verdict,
        detail: ErrorDetails = ErrorDetails(),  # noqa: B008 - frozen
        result: Any = None,
        client: str = "",
    ) -> Response:
        """Send ``ended`` and return the vendor's answer."""
        ended.send_robust(type(self), dialect=self.dialect, client=client, ending=ending)
        if self._rendered and self._rendered[0] is result:
            return self._rendered[1]
        return super().respond(ending, detail, result or Result(Outcome.SENT))

    def _render(self, result: Result) -> None:
        """Render the answer inside the transaction, so that an error rolls it back.

        FAILED then means that nothing was written, even without ATOMIC_REQUESTS.
        """
        response = super().respond(result.ending, result=result)
        response.accepted_renderer = self.request.accepted_renderer
        response.accepted_media_type = self.request.accepted_media_type
        response.renderer_context = self.get_renderer_context()  # type: ignore[attr-defined]
        self._rendered = result, response.render()


class ConfirmView(VendorView):
    """A vendor's request to confirm, by the token in the input with the source ``token``.

    ``answers`` needs a row for every Verdict, and for the refusals that are possible here:
    INVALID, MALFORMED, TOO_LARGE, THROTTLED, WRONG_METHOD and FAILED. ``result`` is an
    ``engine.Opened``. A confirmation does not log the account in.

    The token must be from a message for the client that ``find_client`` returns. If the request
    has an ``identity``, it must name the token's account. Any other token is FOREIGN.
    """

    succeeded: ClassVar[Ending | Verdict] = Verdict.CONFIRMED

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Confirm: of several requests with one token, the first is CONFIRMED, others ALREADY."""
        opened = engine.confirm(values["token"], self.named(request, values))
        return self.respond(opened.verdict, result=opened)


class LinkView(VendorView):
    """The link in a vendor's own messages: a GET redirects to our page and confirms nothing.

    Mail scanners can therefore open it. The row of READY is the redirect. Other verdicts with the
    same row redirect too, since our page has a text for each of them.
    """

    method: ClassVar[str] = "get"
    succeeded: ClassVar[Ending | Verdict] = Verdict.READY

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Inspect the token without changing anything."""
        opened = engine.inspect(values["token"], self.named(request, values))
        response = self.respond(opened.verdict, result=opened)
        if self.answers[opened.verdict] == self.answers[self.succeeded]:
            client = clients.by_name(opened.delivery.client) if opened.delivery else None
            response["Location"] = links.page(opened.token, client)
        return response


def _sources(form: Any) -> set[str]:
    """Return the sources of a serializer's fields, those of nested serializers included."""
    fields = form.fields.values()
    below = [_sources(field) for field in fields if isinstance(field, serializers.Serializer)]
    return {field.source for field in fields}.union(*below)

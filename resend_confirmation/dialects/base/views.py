"""The view that every dialect fills in: what is asked of the engine, and how it ends."""

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
from ...throttling.storing import Caller
from .answers import Answer, ErrorDetails, answer_for, quiet_endings
from .rendering import VendorJSONRenderer
from .vendor_view import VendorView


class ResendView(VendorView):
    """One vendor's way of asking, as a form to fill in; see docs/how-to/add-a-dialect.md.

    Fill in ``dialect``, ``answers``, ``operation``, the serializers of the inputs that are read
    and of the two envelopes, and ``error_body``. Inputs name our words by ``source``: identity,
    client, redirect, client_state, payload, language.
    """

    #: Whether the caller may name where to land; read off the serializers of the inputs.
    names_redirect: ClassVar[bool] = False
    #: The input in which the caller has to name its client, if any; read off the same.
    client_field: ClassVar[serializers.Field[Any, Any, Any, Any] | None] = None
    #: Whether the browser lands with an authorization code, which AUTHORIZATION_CODE_ISSUER issues.
    lands_with_code: ClassVar[bool] = False

    #: Every dialect that was imported, by name; confirm pages ask it where to land.
    by_name: ClassVar[dict[str, type["ResendView"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Note the dialect by its name."""
        super().__init_subclass__(**kwargs)
        inputs = (cls.path_class, cls.header_class, cls.query_class, cls.body_class)
        declared = [field for form in inputs if form for field in form().fields.values()]
        required = [f for f in declared if f.source == "client" and f.required]
        cls.client_field = next(iter(required), None)
        cls.names_redirect = any("redirect" in _sources(form()) for form in inputs if form)
        if cls.dialect:
            ResendView.by_name[cls.dialect] = cls

    # What a dialect fills in

    def success_body(self, answer: Answer, result: Result) -> Any:
        """The body of SENT and of quiet endings, for ``success_class``; None is no body."""
        return None

    @classmethod
    def landing(cls, opened: Opened, client: Client, url: str) -> str | None:
        """Where the browser goes after ``opened``; ``url`` is registered for ``client``.

        None ends on our own page.
        """
        return url

    @classmethod
    def check(cls, client: Client) -> list[CheckMessage]:
        """What ``client`` lacks for this dialect, for ``manage.py check --deploy``."""
        return []

    @classmethod
    def admits(cls, client: Client) -> bool:
        """Return whether requests of ``client`` are served here, for the check W033.

        Override it along with a ``find_client`` that finds clients by neither their id nor
        nothing at all.
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
        """Put the question to the engine and answer with what it found."""
        client = self.find_client(request, values)
        result = engine.resend(
            ResendRequest(
                identity=_text(values, "identity"),
                client=client,
                dialect=self.dialect,
                redirect=_text(values, "redirect") if self.names_redirect else None,
                client_state=_text(values, "client_state"),
                payload=_text(values, "payload"),
                language=_text(values, "language"),
                accept_language=languages.of_request(request),
                quiet=self.quiet(),
                caller=Caller(request, self.dialect),
                before_commit=self._rehearse,
            )
        )
        name = client.name if client else ""
        return self.respond(
            result.ending, ErrorDetails(retry_after=result.retry_after), result, name
        )

    @classmethod
    def quiet(cls) -> frozenset[Ending]:
        """The endings that are answered as SENT, by the vendor's table or the host's setting."""
        silenced = CONCEALED if conf.get().is_quiet(cls.dialect) else frozenset()
        return quiet_endings(cls.answers) | silenced

    def respond(
        self,
        ending: Ending | Verdict,
        detail: ErrorDetails = ErrorDetails(),  # noqa: B008 - frozen
        result: Any = None,
        client: str = "",
    ) -> Response:
        """The vendor's answer for an ending, which hosts hear of."""
        ended.send_robust(type(self), dialect=self.dialect, client=client, ending=ending)
        return super().respond(ending, detail, result or Result(Outcome.SENT))

    def _rehearse(self, result: Result) -> None:
        """Build the answer while what was written for it can still be taken back.

        So FAILED means that nothing was written, without ATOMIC_REQUESTS too.
        """
        body = self._success(answer_for(self.answers, result.ending, ErrorDetails()), result)
        VendorJSONRenderer().render(body)


class ConfirmView(VendorView):
    """Spend the token that was read under the word ``token``; ``answers`` has verdicts.

    Every Verdict needs a row, and of the refusals those that such a call can meet: INVALID,
    MALFORMED, TOO_LARGE, THROTTLED, WRONG_METHOD and FAILED. ``result`` is an
    ``engine.Opened``. Nobody is logged in by it.

    The token must be of a message of the client that ``find_client`` says, and of the account
    that was read under the word ``identity``, where the call has that. Every other token is
    FOREIGN.
    """

    succeeded: ClassVar[Ending | Verdict] = Verdict.CONFIRMED

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Confirm; of several calls with one token the first is CONFIRMED, the others ALREADY."""
        opened = engine.confirm(values["token"], self.named(request, values))
        return self.respond(opened.verdict, result=opened)


class LinkView(VendorView):
    """GET the link of a vendor's own messages: it leads to our page and confirms nothing.

    A mail scanner may open it. The row of READY is the redirect. Other verdicts with that row
    redirect too, since our page has a text for each of them.
    """

    method: ClassVar[str] = "get"
    succeeded: ClassVar[Ending | Verdict] = Verdict.READY

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Look at the token and change nothing."""
        opened = engine.inspect(values["token"], self.named(request, values))
        response = self.respond(opened.verdict, result=opened)
        if self.answers[opened.verdict] == self.answers[self.succeeded]:
            client = clients.by_name(opened.delivery.client) if opened.delivery else None
            response["Location"] = links.page(opened.token, client)
        return response


def _sources(form: Any) -> set[str]:
    """Return our words that a serializer's fields stand for, those inside others included."""
    fields = form.fields.values()
    below = [_sources(field) for field in fields if isinstance(field, serializers.Serializer)]
    return {field.source for field in fields}.union(*below)


def _text(values: Mapping[str, Any], name: str) -> str:
    """Return an input as text: a null that the dialect allows is as good as nothing."""
    value = values.get(name)
    return "" if value is None else str(value)

"""The view that every dialect fills in: what is asked of the engine, and how it ends."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.checks import CheckMessage
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.response import Response

from ... import clients, conf, engine, languages
from ...clients import Client
from ...engine import Opened, ResendRequest, Result
from ...outcomes import CONCEALED, Ending, Outcome, Verdict
from ...signals import ended
from .answers import Answer, Detail, find, quiet_endings
from .call import Call
from .rendering import VendorJSONRenderer
from .storing import Caller


class DialectView(Call):
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
    by_name: ClassVar[dict[str, type["DialectView"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Note the dialect by its name."""
        super().__init_subclass__(**kwargs)
        inputs = (cls.path_class, cls.header_class, cls.query_class, cls.body_class)
        declared = [field for form in inputs if form for field in form().fields.values()]
        required = [f for f in declared if f.source == "client" and f.required]
        cls.client_field = next(iter(required), None)
        cls.names_redirect = any("redirect" in _sources(form()) for form in inputs if form)
        if cls.dialect:
            DialectView.by_name[cls.dialect] = cls

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
        if cls.find_client is DialectView.find_client:
            return client == clients.default()
        if cls.client_field is None:
            return True
        try:
            cls.client_field.run_validation(client.ids.get(cls.dialect))
        except serializers.ValidationError:
            return False
        return True

    def ask(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
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
        return self.reply(result.ending, Detail(retry_after=result.retry_after), result, name)

    @classmethod
    def quiet(cls) -> frozenset[Ending]:
        """The endings that are answered as SENT, by the vendor's table or the host's setting."""
        silenced = CONCEALED if conf.get().is_quiet(cls.dialect) else frozenset()
        return quiet_endings(cls.answers) | silenced

    def reply(
        self,
        ending: Ending | Verdict,
        detail: Detail = Detail(),  # noqa: B008 - frozen
        result: Any = None,
        client: str = "",
    ) -> Response:
        """The vendor's answer for an ending, which hosts hear of."""
        ended.send_robust(type(self), dialect=self.dialect, client=client, ending=ending)
        return super().reply(ending, detail, result or Result(Outcome.SENT))

    def _rehearse(self, result: Result) -> None:
        """Build the answer while what was written for it can still be taken back.

        So FAILED means that nothing was written, without ATOMIC_REQUESTS too.
        """
        body = self._success(find(self.answers, result.ending, Detail()), result)
        VendorJSONRenderer().render(body)


def _sources(form: Any) -> set[str]:
    """Return our words that a serializer's fields stand for, those inside others included."""
    fields = form.fields.values()
    below = [_sources(field) for field in fields if isinstance(field, serializers.Serializer)]
    return {field.source for field in fields}.union(*below)


def _text(values: Mapping[str, Any], name: str) -> str:
    """Return an input as text: a null that the dialect allows is as good as nothing."""
    value = values.get(name)
    return "" if value is None else str(value)

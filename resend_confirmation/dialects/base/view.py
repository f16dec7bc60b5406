"""The view that every dialect fills in: throttle, read, ask, look up the answer, build the body."""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.checks import CheckMessage
from django.core.signals import got_request_exception
from django.http import HttpRequest
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from ... import clients, conf, engine
from ...clients import Client
from ...engine import Opened, ResendRequest, Result
from ...outcomes import CONCEALED, Ending, Outcome, Refusal
from ...signals import ended
from . import throttle
from .answers import Answer, Detail, Table, find, quiet_endings
from .operation import DialectSchema, Operation
from .reading import read
from .rendering import HEADERS, AlwaysJSON, VendorJSONRenderer

logger = logging.getLogger("resend_confirmation")


class DialectView(APIView):
    """One vendor's way of asking, as a form to fill in; see docs/how-to/add-a-dialect.md.

    Fill in ``dialect``, ``answers``, ``operation``, the serializers of the inputs that are read
    and of the two envelopes, and ``error_body``. Inputs name our words by ``source``: identity,
    client, redirect, client_state, payload, language.
    """

    dialect: ClassVar[str] = ""
    answers: ClassVar[Table] = {}
    operation: ClassVar[Operation] = Operation()
    method: ClassVar[str] = "post"
    path_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    query_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    body_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    success_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    error_class: ClassVar[type[serializers.Serializer[Any]]]
    takes_form: ClassVar[bool] = False
    #: Whether the caller may name where to land; read off ``query_class``.
    names_redirect: ClassVar[bool] = False

    #: Every dialect that was imported, by name; confirm pages ask it where to land.
    by_name: ClassVar[dict[str, type["DialectView"]]] = {}

    # The host's choices for its own API do not apply to a vendor's.
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()
    renderer_classes = (VendorJSONRenderer,)
    content_negotiation_class = AlwaysJSON
    metadata_class = None
    versioning_class = None
    schema = DialectSchema()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Answer the dialect's one method; every other is refused in the vendor's words."""
        super().__init_subclass__(**kwargs)
        cls.http_method_names = [cls.method]
        setattr(cls, cls.method, DialectView.answer)
        if cls.query_class:
            cls.names_redirect = "redirect" in {f.source for f in cls.query_class().fields.values()}
        if cls.dialect:
            DialectView.by_name[cls.dialect] = cls

    # What a dialect fills in

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """The calling application; by default the one that needs no naming."""
        return clients.default()

    def success_body(self, answer: Answer, result: Result) -> Mapping[str, Any] | None:
        """The body of SENT and of quiet endings, for ``success_class``; None is no body."""
        return None

    def error_body(self, answer: Answer, detail: Detail) -> Mapping[str, Any]:
        """The body of every other ending, for ``error_class``."""
        raise NotImplementedError

    def error_headers(self, ending: Ending, detail: Detail) -> Mapping[str, str]:
        """Headers of an error; by default ``Retry-After`` where waiting helps (RFC 9110)."""
        return {"Retry-After": str(detail.retry_after)} if detail.retry_after else {}

    @classmethod
    def landing(cls, opened: Opened, client: Client, url: str) -> str | None:
        """Where the browser goes after ``opened``; ``url`` is registered for ``client``.

        None ends on our own page.
        """
        return url

    @classmethod
    def check(cls, client: Client) -> list[CheckMessage]:
        """What ``client`` lacks for this dialect, for Django's system checks."""
        return []

    # The order of work

    def answer(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer one request."""
        django_request = request._request
        if exceeded := throttle.check(django_request, self.dialect):
            detail = Detail(retry_after=exceeded.retry_after, limit=exceeded.limit)
            return self.reply(Refusal.THROTTLED, detail)
        reading = read(
            django_request,
            path=(self.path_class, self.path_values(django_request, kwargs)),
            query_class=self.query_class,
            body_class=self.body_class,
            takes_form=self.takes_form,
        )
        if reading.refusal:
            return self.reply(reading.refusal, reading.detail)
        return self.ask(django_request, reading.values)

    def path_values(self, request: HttpRequest, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the path says, for ``path_class``."""
        return kwargs

    def ask(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Put the question to the engine and answer with what it found."""
        client = self.find_client(request, values)
        result = engine.resend(
            ResendRequest(
                identity=values["identity"],
                client=client,
                dialect=self.dialect,
                redirect=values.get("redirect", "") if self.names_redirect else None,
                client_state=values.get("client_state", ""),
                payload=values.get("payload", ""),
                language=values.get("language", ""),
                quiet=self.quiet(),
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
        ending: Ending,
        detail: Detail = Detail(),  # noqa: B008 - frozen
        result: Result | None = None,
        client: str = "",
    ) -> Response:
        """The vendor's answer for an ending."""
        ended.send_robust(type(self), dialect=self.dialect, client=client, ending=ending)
        answer = find(self.answers, ending, detail)
        if answer == self.answers[Outcome.SENT]:
            body = self.success_body(answer, result or Result(Outcome.SENT))
            return Response(_through(self.success_class, body), status=answer.status)
        body = self.error_body(answer, detail)
        headers = self.error_headers(ending, detail)
        return Response(_through(self.error_class, body), status=answer.status, headers=headers)

    # What would otherwise speak Django's or DRF's words

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Settle the answer's form first, so that an error has it too; check nothing else."""
        self.format_kwarg = None
        negotiated = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = negotiated

    @property
    def default_response_headers(self) -> dict[str, str]:
        """The headers of every answer; ``Allow`` only belongs to WRONG_METHOD."""
        return dict(HEADERS)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Keep the path out of Django's log of refused requests: it may hold an address."""
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        final._has_been_logged = True  # type: ignore[attr-defined]
        return final

    def handle_exception(self, exc: Exception) -> Response:
        """The vendor's words for what went wrong; the log and the signal get the traceback."""
        if isinstance(exc, exceptions.MethodNotAllowed):
            response = self.reply(Refusal.WRONG_METHOD)
            response["Allow"] = self.method.upper()
            return response
        set_rollback()
        request = self.request._request
        logger.exception("%s could not answer", self.dialect)
        got_request_exception.send(type(self), request=request)
        return self.reply(Refusal.FAILED)


def _through(
    serializer_class: type[serializers.Serializer[Any]] | None, body: Mapping[str, Any] | None
) -> Any:
    """``body`` as its serializer writes it, so that the schema and the bytes are one thing."""
    if serializer_class is None or body is None:
        return None
    return serializer_class(instance=body).data

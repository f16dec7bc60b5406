"""One call of a vendor's API: throttle, read, act, look up the answer, and catch everything."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth.decorators import login_not_required
from django.core.signals import got_request_exception
from django.http import HttpRequest
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from ... import clients, errors, failures
from ...clients import Client
from ...engine import Named
from ...outcomes import Ending, Outcome, Refusal, Verdict
from ...throttling import throttle
from . import body
from .answers import Answer, ErrorDetails, Table, answer_for
from .parsing import read
from .rendering import HEADERS, AlwaysJSON, VendorJSONRenderer
from .schema import DialectSchema, Operation

Envelope = type[serializers.Field[Any, Any, Any, Any]]


class VendorView(APIView):
    """What the calls of a dialect have in common; ResendView and ConfirmView say what they do.

    ``succeeded`` is the row of ``answers`` that is a success; every other one has the envelope
    of errors. An envelope is a serializer, or a field where the body is no object.
    """

    dialect: ClassVar[str] = ""
    answers: ClassVar[Table] = {}
    succeeded: ClassVar[Ending | Verdict] = Outcome.SENT
    operation: ClassVar[Operation] = Operation()
    method: ClassVar[str] = "post"
    path_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    header_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    query_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    body_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    success_class: ClassVar[Envelope | None] = None
    error_class: ClassVar[Envelope]
    #: Of every answer with a body, and of a JSON body in the OpenAPI document.
    media_type: ClassVar[str] = "application/json"
    #: Of errors, where theirs is another.
    error_media_type: ClassVar[str] = ""
    #: Whether a form's fields are read as a JSON object's keys; and those of multipart, too.
    takes_form: ClassVar[bool] = False
    takes_multipart: ClassVar[bool] = False
    #: Every class that answers at the same place, this one first; ``routes`` fills it in.
    variants: ClassVar[tuple[type["VendorView"], ...]] = ()

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
        """Answer the one method; every other is refused in the vendor's words."""
        super().__init_subclass__(**kwargs)
        cls.http_method_names = [cls.method, *(["head"] if cls.method == "get" else [])]
        setattr(cls, cls.method, VendorView.handle)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """The view, which needs no login: before 3.16 Django REST framework does not say so."""
        return login_not_required(super().as_view(**initkwargs))

    # What a dialect fills in

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """The calling application; by default the one that needs no naming."""
        return clients.default()

    def success_body(self, answer: Answer, result: Any) -> Any:
        """The body of success and of quiet endings, for ``success_class``; None is no body."""
        return None

    def success_headers(self, result: Any) -> Mapping[str, str]:
        """Headers of success; by default none of its own."""
        return {}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Any:
        """The body of every other ending, for ``error_class``."""
        raise NotImplementedError

    def error_headers(self, ending: Any, detail: ErrorDetails) -> Mapping[str, str]:
        """Headers of an error; by default ``Retry-After`` where waiting helps (RFC 9110)."""
        return {"Retry-After": str(detail.retry_after)} if detail.retry_after else {}

    # The order of work

    @failures.discreet
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer; what callers typed stays out of the local variables of error reports."""
        return super().dispatch(request, *args, **kwargs)

    def handle(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer one request."""
        django_request = request._request
        if exceeded := throttle.check(django_request, self.dialect):
            detail = ErrorDetails(retry_after=exceeded.retry_after, limit=exceeded.limit)
            return self.respond(Refusal.THROTTLED, detail)
        reading = read(
            django_request,
            path=(self.path_class, self.path_values(django_request, kwargs)),
            header_class=self.header_class,
            query_class=self.query_class,
            body_class=self.body_class,
            takes_forms=self._forms_taken(),
        )
        if reading.refusal:
            return self.respond(reading.refusal, reading.detail)
        return self.perform(django_request, reading.values)

    def _forms_taken(self) -> list[str]:
        taken = {body.URLENCODED: self.takes_form, body.MULTIPART: self.takes_multipart}
        return [media_type for media_type, is_taken in taken.items() if is_taken]

    def path_values(self, request: HttpRequest, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the path says, for ``path_class``."""
        return kwargs

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Do what the call is for, with what was read under our words."""
        raise NotImplementedError

    def named(self, request: HttpRequest, values: Mapping[str, Any]) -> Named:
        """Return what the call says of its client and account, for calls that take a token."""
        client = self.find_client(request, values)
        return Named(client.name if client else "", values.get("identity"))

    def respond(
        self,
        ending: Ending | Verdict,
        detail: ErrorDetails = ErrorDetails(),  # noqa: B008 - frozen
        result: Any = None,
    ) -> Response:
        """The vendor's answer for an ending."""
        answer = answer_for(self.answers, ending, detail)
        if answer == self.answers[self.succeeded]:
            body = self._success(answer, result)
            headers = self.success_headers(result)
            media_type = self.media_type
        else:
            body = _through(self.error_class, self.error_body(answer, detail))
            headers = self.error_headers(ending, detail)
            media_type = self.error_media_type or self.media_type
        return Response(body, status=answer.status, headers=headers, content_type=media_type)

    def _success(self, answer: Answer, result: Any) -> Any:
        return _through(self.success_class, self.success_body(answer, result))

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
        """Keep the path out of Django's log of refused requests: it may hold an address.

        And keep a 404 that is a vendor's answer.
        """
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        final._has_been_logged = True  # type: ignore[attr-defined]
        errors.keep(request._request, final)
        return final

    def handle_exception(self, exc: Exception) -> Response:
        """Answer in the vendor's words; the log gets the frames, the signal the exception."""
        if isinstance(exc, exceptions.MethodNotAllowed):
            response = self.respond(Refusal.WRONG_METHOD)
            response["Allow"] = ", ".join(self.http_method_names).upper()
            return response
        set_rollback()
        request = self.request._request
        failures.report("%s could not answer", self.dialect)
        # Receivers may look at the exception themselves.
        failures.censor(exc)
        got_request_exception.send(type(self), request=request)
        return self.respond(Refusal.FAILED)


def _through(envelope: Envelope | None, body: Any) -> Any:
    """``body`` as its envelope writes it, so that the schema and the bytes are one thing."""
    if envelope is None or body is None:
        return None
    if issubclass(envelope, serializers.BaseSerializer):
        return envelope(instance=body).data
    return envelope().to_representation(body)

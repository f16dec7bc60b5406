"""Base views of dialects: any request of a vendor, and the request to resend the message."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.contrib.auth.decorators import login_not_required
from django.core.checks import CheckMessage
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.views import APIView, set_rollback

from ... import clients, conf, engine, errors, failures
from ...clients import Client
from ...engine import Opened, ResendRequest, Result
from ...outcomes import CONCEALED, Ending, Outcome, Refusal, Verdict
from ...signals import ended
from ...throttling import throttle
from . import body, declarations
from .declarations import NO_DETAILS, Answer, Envelope, ErrorDetails, Operation, Table
from .parsing import accepted_language, read, sources_of
from .rendering import ANSWER_HEADERS, VendorJSONRenderer

_renderer = VendorJSONRenderer()


class VendorView(APIView):
    """The common base of ResendView, ConfirmView and LinkView.

    ``succeeded`` is the key of the row of ``answers`` that is a success. Every answer that differs
    from this row has the envelope of errors. An envelope is a serializer, or a field if the body
    is not an object.
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
    #: The Content-Type of answers, and the type of a request's body in the OpenAPI document.
    media_type: ClassVar[str] = "application/json"
    #: The Content-Type of errors, if it is a different one.
    error_media_type: ClassVar[str] = ""
    #: True if the fields of a form (urlencoded, multipart) are read like the keys of a JSON object.
    takes_form: ClassVar[bool] = False
    takes_multipart: ClassVar[bool] = False
    #: All classes that answer at the same URL, this one first; set by ``routes``.
    variants: ClassVar[tuple[type["VendorView"], ...]] = ()
    #: The host's own page at the URL, for GET and HEAD requests; set by ``routes``.
    host_page: Callable[[HttpRequest], HttpResponseBase | None] | None = None

    # The host's settings for its own API do not apply to a vendor's.
    authentication_classes = permission_classes = throttle_classes = parser_classes = ()
    renderer_classes = (VendorJSONRenderer,)
    content_negotiation_class = BaseContentNegotiation
    metadata_class = versioning_class = None
    schema = declarations.OperationSchema()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Handle ``method``; other methods are refused with the vendor's answer."""
        super().__init_subclass__(**kwargs)
        cls.http_method_names = [cls.method, *(["head"] if cls.method == "get" else [])]
        setattr(cls, cls.method, VendorView.handle)

    # Methods for dialects to override

    def find_client(self, request: HttpRequest, values: Mapping[str, Any]) -> Client | None:
        """Return the calling client; by default, the client of requests that name none."""
        return clients.default()

    def success_body(self, answer: Answer, result: Any) -> Any:
        """Return the body of success and of quiet endings, for ``success_class``; None for none."""
        return None

    def success_headers(self, result: Any) -> Mapping[str, str]:
        """Return additional headers of success; by default, none."""
        return {}

    def error_body(self, answer: Answer, detail: ErrorDetails) -> Any:
        """Return the body of every other ending, for ``error_class``."""
        raise NotImplementedError

    def error_headers(self, ending: Any, detail: ErrorDetails) -> Mapping[str, str]:
        """Return additional headers of an error; by default, ``Retry-After`` if waiting helps."""
        return {"Retry-After": str(detail.retry_after)} if detail.retry_after else {}

    # Handling of a request

    @login_not_required  # DRF before 3.16 does not mark its views.
    @sensitive_variables()
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Dispatch the request; keep the caller's input out of error reports.

        DRF's own dispatch is not called: its request, its checks and its response are not needed.
        """
        # Other methods change data, and Django has skipped the CSRF check: our views are exempt.
        reads = request.method in ("GET", "HEAD")
        if self.host_page and reads and (page := self.host_page(request)):
            return page
        try:
            response = self._answer(request, kwargs)
        except Exception as error:
            failures.censor(error)
            raise
        # Keep the path out of Django's log of refused requests: it may hold an address.
        response._has_been_logged = True  # type: ignore[attr-defined]
        if response.status_code == HTTPStatus.NOT_FOUND:
            # LocaleMiddleware would replace a 404 that is a vendor's answer.
            errors.keep_404(request)
        return response

    @sensitive_variables()
    def _answer(self, request: HttpRequest, kwargs: Mapping[str, Any]) -> HttpResponse:
        """Return the vendor's answer, also to a method that is refused and to an error."""
        try:
            if str(request.method).lower() in self.http_method_names:
                return self.handle(request, **kwargs)
            response = self.respond(Refusal.WRONG_METHOD)
            response["Allow"] = ", ".join(self.http_method_names).upper()
            return response
        except Exception as error:
            return self.handle_exception(error)

    def handle(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the throttle, parse the request and perform it."""
        if exceeded := throttle.check(request, self.dialect):
            detail = ErrorDetails(retry_after=exceeded.retry_after, limit=exceeded.limit)
            return self.respond(Refusal.THROTTLED, detail)
        reading = read(
            request,
            path=(self.path_class, self.path_values(request, kwargs)),
            header_class=self.header_class,
            query_class=self.query_class,
            body_class=self.body_class,
            takes_forms={body.URLENCODED: self.takes_form, body.MULTIPART: self.takes_multipart},
        )
        if reading.refusal:
            return self.respond(reading.refusal, reading.detail)
        return self.perform(request, reading.values)

    def path_values(self, request: HttpRequest, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the inputs in the path, for ``path_class``."""
        return kwargs

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> HttpResponse:
        """Perform the operation; the keys of ``values`` are our names, not the vendor's."""
        raise NotImplementedError

    def respond(
        self, ending: Ending | Verdict, detail: ErrorDetails = NO_DETAILS, result: Any = None
    ) -> HttpResponse:
        """Return the vendor's answer for an ending."""
        answer = declarations.answer_for(self.answers, ending, detail)
        if answer == self.answers[self.succeeded]:
            data = declarations.enveloped(self.success_class, self.success_body(answer, result))
            headers, media_type = self.success_headers(result), self.media_type
        else:
            data = declarations.enveloped(self.error_class, self.error_body(answer, detail))
            headers = self.error_headers(ending, detail)
            media_type = self.error_media_type or self.media_type
        # DRF's own response takes as long again, because the handler renders it later.
        content = _renderer.render(data)
        response = declarations.VendorResponse(
            content, status=answer.status, content_type=media_type
        )
        if not content:
            del response["Content-Type"]
        for each in (headers, ANSWER_HEADERS):
            for name, value in each.items():
                response[name] = value
        return response

    # Overrides that keep Django's and DRF's own responses out

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Return the vendor's answer; log an error's frames and send Django's signal for it."""
        set_rollback()
        failures.report("%s could not answer", self.dialect)
        # The signal's receivers can read the exception, so it must not contain callers' input.
        failures.censor(exc)
        got_request_exception.send(type(self), request=self.request)
        return self.respond(Refusal.FAILED)


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
    #: The answer that was rendered before the request was stored, and the result that it is for.
    _rendered: tuple[Result, HttpResponse] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Derive attributes from the serializers and from the table."""
        super().__init_subclass__(**kwargs)
        cls._quiet = declarations.quiet_endings(cls.answers)
        classes = (cls.path_class, cls.header_class, cls.query_class, cls.body_class)
        inputs = [each() for each in classes if each]
        named = (f for each in inputs for f in each.fields.values() if f.source == "client")
        cls.client_field = next((field for field in named if field.required), None)
        cls.names_redirect = any("redirect" in sources_of(each) for each in inputs)

    # Methods for dialects to override

    @classmethod
    def landing(cls, opened: Opened, client: Client, url: str) -> str | None:
        """Return where to redirect after ``opened``: the registered ``url``; None for our page."""
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
        try:
            if cls.client_field:
                cls.client_field.run_validation(client.ids.get(cls.dialect))
        except serializers.ValidationError:
            return False
        return True

    def perform(self, request: HttpRequest, values: Mapping[str, Any]) -> HttpResponse:
        """Pass the request to the engine, and answer with its result."""
        client = self.find_client(request, values)
        given = {name: str(value) for name, value in values.items() if value is not None}
        result = engine.resend(
            ResendRequest(
                identity=given.get("identity", ""),
                parsed=getattr(values.get("identity"), "parsed", None),
                client=client,
                dialect=self.dialect,
                redirect=given.get("redirect", "") if self.names_redirect else None,
                client_state=given.get("client_state", ""),
                payload=given.get("payload", ""),
                language=given.get("language", ""),
                accept_language=accepted_language(request),
                quiet=self.quiet(),
                caller=throttle.Caller(request, self.dialect),
                before_storing=self._render,
            )
        )
        detail = ErrorDetails(retry_after=result.retry_after)
        return self.respond(result.ending, detail, result, client.name if client else "")

    @classmethod
    def quiet(cls) -> frozenset[Ending]:
        """Return the endings answered like SENT, by the vendor's table or the host's setting."""
        return cls._quiet | CONCEALED if conf.get().is_quiet(cls.dialect) else cls._quiet

    def respond(
        self,
        ending: Ending | Verdict,
        detail: ErrorDetails = NO_DETAILS,
        result: Any = None,
        client: str = "",
    ) -> HttpResponse:
        """Send ``ended`` and return the vendor's answer."""
        ended.send_robust(type(self), dialect=self.dialect, client=client, ending=ending)
        if self._rendered and self._rendered[0] is result:
            return self._rendered[1]
        return super().respond(ending, detail, result or Result(Outcome.SENT))

    def _render(self, result: Result) -> None:
        """Render the answer before anything is stored: FAILED means that nothing was written."""
        self._rendered = result, super().respond(result.ending, result=result)

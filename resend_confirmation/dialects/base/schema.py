"""A dialect's operation in the OpenAPI document, built from the table of its answers."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from ... import conf
from ...outcomes import Refusal
from .declarations import Answer, Operation
from .examples import WAITS, Row, examples_of, rows_of
from .parsing import header_of


class DialectSchema(AutoSchema):
    """The OpenAPI schema of a VendorView, built from its attributes; replaces the host's class."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Return None if the host leaves our operations out: generators then skip the view."""
        return None if _answers() == "none" else super().__get__(instance, owner)

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation with ``security: []``: a vendor's client needs no credentials."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation["security"] = []
            if self._operation.inline:
                operation["x-inline"] = True
        return operation

    view: Any

    @property
    def _operation(self) -> Operation:
        operation: Operation = self.view.operation
        return operation

    def map_parsers(self) -> list[str]:
        """Return only JSON, as in the vendors' documents.

        Generated clients cannot choose between two types of one body: they would send forms.
        """
        return [self.view.media_type]

    def get_operation_id(self) -> str:
        return self._operation.id

    def get_summary(self) -> str:
        return self._operation.summary

    def get_description(self) -> str:  # type: ignore[override]
        return self._operation.description

    def get_tags(self) -> list[str]:
        """Return the vendor's tags, or else the dialect's name."""
        return list(self._operation.tags) or [self.view.dialect]

    def get_auth(self) -> list[Any]:
        """Return no requirements, even if the host's API has some."""
        return []

    def get_request_serializer(self) -> Any:
        return self.view.body_class

    def get_override_parameters(self) -> list[Any]:
        """Return the request's parameters and, if all answers are listed, headers of answers."""
        described = [*self._operation.parameters, *self._headers()]
        if self.view.query_class:
            described.append(self.view.query_class)
        if _tells_all():
            described += self._wait_headers()
        return described

    def get_examples(self) -> list[OpenApiExample]:
        return list(self._operation.examples)

    def get_response_serializers(self) -> Any:
        """Return the responses of each documented status, with the table's texts.

        With OPENAPI_ANSWERS "all", add the statuses that the vendor's document does not list.
        """
        statuses = dict.fromkeys(self._operation.documented)
        if _tells_all():
            statuses |= dict.fromkeys(sorted({row.answer.status for row in self._rows()}))
        return {
            (status, *([media_type] if media_type else [])): response
            for status in statuses
            for media_type, response in self._responses(status)
        }

    @property
    def _classes(self) -> tuple[Any, ...]:
        """The classes that answer this operation: the view's and its variants'."""
        variants = [each for each in self.view.variants if each.operation is self._operation]
        return tuple(variants) or (type(self.view),)

    def _rows(self) -> Iterator[Row]:
        """Yield the rows that a request with the right method can reach."""
        for variant in self._classes:
            unreachable = {Refusal.WRONG_METHOD}
            if not variant.body_class:
                unreachable.add(Refusal.TOO_LARGE)
            yield from (row for row in rows_of(variant) if row.ending not in unreachable)

    def _headers(self) -> list[OpenApiParameter]:
        """Return the declared headers as parameters."""
        declared = self.view.header_class().fields if self.view.header_class else {}
        return [
            OpenApiParameter(
                header_of(name),
                self._of_field(field, "request"),
                OpenApiParameter.HEADER,
                required=field.required,
                description=field.help_text or "",
            )
            for name, field in declared.items()
            if not isinstance(field, serializers.HiddenField)
        ]

    def _wait_headers(self) -> list[OpenApiParameter]:
        waits = {row.answer.status for row in self._rows() if row.ending in WAITS}
        others = {row.answer.status for row in self._rows() if row.ending not in WAITS}
        return [
            OpenApiParameter(
                name, int, OpenApiParameter.HEADER, required=not waits & others, response=[*waits]
            )
            for name in self._operation.wait_headers
        ]

    def _responses(self, status: int | str) -> Iterator[tuple[str, OpenApiResponse]]:
        """Yield each media type of a status with its envelope, or with a choice of several."""
        text = self._operation.descriptions.get(status) or self._text(status)
        found: dict[str, list[Any]] = {}
        for media_type, envelope in self._envelopes(status):
            if envelope and envelope not in found.setdefault(media_type, []):
                found[media_type].append(envelope)
        if not found:
            yield "", OpenApiResponse(response=None, description=text)
        for media_type, envelopes in found.items():
            schemas = [self._schema_of(envelope) for envelope in envelopes]
            schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
            examples = self._examples(status, media_type) if _tells_all() else []
            yield media_type, OpenApiResponse(schema, description=text, examples=examples)

    def _examples(self, status: int | str, media_type: str) -> list[OpenApiExample]:
        """Return examples for a status; those for all other errors are those of a crash."""
        listed = self._operation.examples
        known = [e.value for e in listed if str(status) in map(str, e.status_codes or ())]
        rows = [row for row in self._rows() if row.media_type == media_type]
        if status == "default":
            return examples_of((row for row in rows if row.ending is Refusal.FAILED), known)
        return examples_of((row for row in rows if row.answer.status == status), known)

    def _envelopes(self, status: int | str) -> Iterator[tuple[str, Any]]:
        """Yield the media type and the envelope of each row with a status.

        Without such a row, the number decides: below 400 it is a success, otherwise an error.
        """
        rows = [row for row in self._rows() if row.answer.status == status]
        listed = dict.fromkeys((row.view, row.succeeds) for row in rows)
        succeeds = isinstance(status, int) and status < HTTPStatus.BAD_REQUEST
        for variant, is_success in listed or [(variant, succeeds) for variant in self._classes]:
            if is_success:
                yield variant.media_type, variant.success_class
            else:
                yield variant.error_media_type or variant.media_type, variant.error_class

    def _schema_of(self, envelope: Any) -> Any:
        """Return a reference to a serializer's component, or a field's schema in place."""
        if issubclass(envelope, serializers.BaseSerializer):
            component = self.resolve_serializer(envelope, "response")
            return component.ref if component else {"type": "object"}
        return self._of_field(envelope(), "response")

    def _of_field(self, field: Any, direction: str) -> Any:
        return self._map_serializer_field(field, direction)  # type: ignore[no-untyped-call]

    def _get_serializer_field_meta(self, field: Any, direction: str) -> dict[str, Any]:
        """Add the example in a field's ``style``, for vendors that document one."""
        example = {
            key: value for key, value in getattr(field, "style", {}).items() if key == "example"
        }
        return example | super()._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call,no-any-return]

    def _text(self, status: int | str) -> str:
        rows = [row for row in self.view.answers.values() if isinstance(row, Answer)]
        texts = dict.fromkeys(row.message for row in rows if row.status == status and row.message)
        if texts:
            return " / ".join(texts)
        return HTTPStatus(status).phrase if isinstance(status, int) else "Unexpected error"


def _answers() -> str:
    try:
        return conf.get().OPENAPI_ANSWERS
    except ImproperlyConfigured:
        return ""  # The check E002 reports this error; loading the URLs must not fail.


def _tells_all() -> bool:
    return _answers() == "all"

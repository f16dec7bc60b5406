"""A dialect's operation in the OpenAPI document, read off the same table as its answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from .answers import Answer
from .reading import FORM


@dataclass(frozen=True, slots=True)
class Operation:
    """What the vendor's document says of the operation beyond its table.

    ``documented`` are the statuses that it lists (a ``"default"`` among them stands for all
    other errors); ``descriptions`` replaces HTTP's reason phrases; ``inline`` writes schemas in
    place, where the vendor's document has no components.
    """

    id: str = ""
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    documented: tuple[int | str, ...] = ()
    descriptions: Mapping[int | str, str] = field(default_factory=dict)
    examples: tuple[OpenApiExample, ...] = ()
    parameters: tuple[OpenApiParameter, ...] = ()
    inline: bool = False


class DialectSchema(AutoSchema):
    """Describes a DialectView by its form; the host's own schema class does not matter."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The operation, with ``security: []``: a vendor's client needs no credentials."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation["security"] = []
            if self._form.inline:
                operation["x-inline"] = True
        return operation

    view: Any

    @property
    def _form(self) -> Operation:
        form: Operation = self.view.operation
        return form

    def map_parsers(self) -> list[str]:
        """JSON, and forms where the dialect takes them; its parsers are not DRF's."""
        return ["application/json", *([FORM] if self.view.takes_form else [])]

    def get_operation_id(self) -> str:
        """The vendor's own."""
        return self._form.id

    def get_summary(self) -> str:
        """The vendor's own."""
        return self._form.summary

    def get_description(self) -> str:  # type: ignore[override]
        """The vendor's own."""
        return self._form.description

    def get_tags(self) -> list[str]:
        """The vendor's own, else the dialect's name."""
        return list(self._form.tags) or [self.view.dialect]

    def get_auth(self) -> list[Any]:
        """None: whatever the host's API needs."""
        return []

    def get_request_serializer(self) -> Any:
        """The body that is read, if any is."""
        return self.view.body_class

    def get_override_parameters(self) -> list[Any]:
        """What is read from the path and the query."""
        described = list(self._form.parameters)
        if self.view.query_class:
            described.append(self.view.query_class)
        return described

    def get_examples(self) -> list[OpenApiExample]:
        """The vendor's own."""
        return list(self._form.examples)

    def get_response_serializers(self) -> Any:
        """One response for each documented status, with the table's texts."""
        return {status: self._response(status) for status in self._form.documented}

    def _response(self, status: int | str) -> OpenApiResponse:
        is_success = isinstance(status, int) and status < HTTPStatus.BAD_REQUEST
        serializer = self.view.success_class if is_success else self.view.error_class
        text = self._form.descriptions.get(status) or self._text(status)
        return OpenApiResponse(response=serializer, description=text)

    def _text(self, status: int | str) -> str:
        rows = [row for row in self.view.answers.values() if isinstance(row, Answer)]
        texts = dict.fromkeys(row.message for row in rows if row.status == status and row.message)
        if texts:
            return " / ".join(texts)
        return HTTPStatus(status).phrase if isinstance(status, int) else "Unexpected error"

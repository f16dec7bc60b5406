"""Examples of answers in the OpenAPI document, built from the table of answers."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from django.utils import translation
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from ...engine import Result
from ...outcomes import Ending, Outcome, Refusal, Verdict
from . import declarations
from .declarations import NO_DETAILS, Answer, ErrorDetails, Fault
from .parsing import flattened, header_of
from .views import ResendView

#: Endings with a time to wait.
WAITS = {Outcome.COOLING_DOWN, Refusal.THROTTLED}

#: The time to wait in seconds, and the address of an account.
_WAIT: Final = 60
_ADDRESS: Final = "pending@example.com"

#: Wrong values for any input, in the order in which they are tried.
_WRONG: Final = (
    (Fault.WRONG, "x"),
    (Fault.MISSING, serializers.empty),
    (Fault.NOT_A_STRING, 7),
)


class Row(NamedTuple):
    """One row of a view's table; ``key`` is the ending, and the field and fault if it has them."""

    view: Any
    key: tuple[Any, ...]
    answer: Answer

    @property
    def ending(self) -> Ending | Verdict:
        """The ending, or the verdict of a view that takes a token."""
        ending: Ending | Verdict = self.key[0]
        return ending

    @property
    def title(self) -> str:
        """The name of the ending, with the field and the fault of a narrower row."""
        return " ".join([self.ending.name, *map(str, self.key[1:])])

    @property
    def succeeds(self) -> bool:
        """True if the answer is that of a success."""
        return bool(self.answer == self.view.answers[self.view.succeeded])

    @property
    def media_type(self) -> str:
        """The Content-Type of the answer."""
        media_type: str = self.view.media_type
        return media_type if self.succeeds else self.view.error_media_type or media_type


def rows_of(view: Any) -> Iterator[Row]:
    """Yield the rows of a view's table, except those that are answered like SENT."""
    for key, answer in view.answers.items():
        if isinstance(answer, Answer):
            yield Row(view, key if isinstance(key, tuple) else (key,), answer)


def examples_of(rows: Iterable[Row], known: Sequence[Any]) -> list[OpenApiExample]:
    """Return an example for each body that the rows have and that is not known yet.

    Its summary names the endings: several have one body if the vendor does not tell them apart.
    """
    found: list[tuple[Any, list[str]]] = []
    for row in rows:
        body = _body(row)
        titles = next((titles for other, titles in found if other == body), None)
        if titles is None:
            found.append((body, titles := []))
        titles.append(row.title)
    return [
        OpenApiExample(titles[0].lower(), value=body, summary=", ".join(dict.fromkeys(titles)))
        for body, titles in found
        if body is not None and body not in known
    ]


def _body(row: Row) -> Any:
    """Return the body of an answer as a request could receive it; None if it has none."""
    # Vendors' messages are English.
    with translation.override("en"):
        if not row.succeeds:
            body = row.view().error_body(row.answer, _details(row))
            return declarations.enveloped(row.view.error_class, body)
        if not issubclass(row.view, ResendView):
            return None
        result = Result(Outcome.SENT, identity=_ADDRESS, address=_ADDRESS)
        body = row.view().success_body(row.answer, result)
        return declarations.enveloped(row.view.success_class, body)


def _details(row: Row) -> ErrorDetails:
    if row.ending in WAITS:
        return ErrorDetails(retry_after=_WAIT)
    if row.ending is Refusal.MALFORMED:
        return ErrorDetails(reason="Not an object")
    return _wrong_input(row) if row.ending is Refusal.INVALID else NO_DETAILS


def _wrong_input(row: Row) -> ErrorDetails:
    """Return the details of the first wrong input that is answered with this row."""
    for name, field in _inputs(row.view):
        for fault, value in _WRONG:
            detail = ErrorDetails(name, fault, value)
            answer = declarations.answer_for(row.view.answers, Refusal.INVALID, detail)
            if answer == row.answer and (errors := _errors(name, field, value)):
                return ErrorDetails(name, fault, value, errors)
    return NO_DETAILS


def _inputs(view: Any) -> Iterator[tuple[str, Any]]:
    """Yield the vendor's name of each input with its field, in the order of parsing."""
    for kind in (view.path_class, view.header_class, view.query_class, view.body_class):
        wire_name = header_of if kind is view.header_class else str
        for name, field in (declarations.made(kind).fields if kind else {}).items():
            yield wire_name(name), field


def _errors(name: str, field: Any, value: Any) -> dict[str, list[str]]:
    """Return the field's messages on a value; an empty dictionary if the value is accepted."""
    try:
        field.run_validation(value)
    except serializers.SkipField:
        pass
    except serializers.ValidationError as error:
        found = flattened(error.detail, value, name)
        return {path: [str(message) for message in messages] for path, messages, _ in found}
    return {}

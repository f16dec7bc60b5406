"""Parsing of a request: path, headers, query and body by the dialect's serializers."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.utils import translation
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.settings import api_settings

from ... import redaction
from ...outcomes import Refusal
from . import body
from .answers import ErrorDetails, Fault

SerializerClass = type[serializers.Serializer[Any]]

#: The path of a field, its errors and what was sent there.
_Found = tuple[str, list[ErrorDetail], Any]


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """What was read: values under our words, or why they could not be."""

    values: Mapping[str, Any] = field(default_factory=dict)
    refusal: Refusal | None = None
    detail: ErrorDetails = ErrorDetails()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class _Source:
    """One place of inputs; ``wire_name`` makes the vendor's word of a field's name."""

    serializer_class: SerializerClass
    data: Mapping[str, Any]
    repeated: frozenset[str] = frozenset()
    wire_name: Callable[[str], str] = str


def read(
    request: HttpRequest,
    *,
    path: tuple[SerializerClass | None, Mapping[str, Any]],
    header_class: SerializerClass | None,
    query_class: SerializerClass | None,
    body_class: SerializerClass | None,
    takes_forms: Collection[str],
) -> ParsedRequest:
    """The values of all declared inputs, or the first refusal.

    What is not declared is not read: without ``body_class`` the body is never touched.
    """
    path_class, path_values = path
    sources: list[_Source] = []
    if path_class:
        sources.append(_Source(path_class, path_values))
    if header_class:
        sources.append(_Source(header_class, _headers(request, header_class), wire_name=header_of))
    if query_class:
        try:
            sources.append(_Source(query_class, *_of_query(_query(request))))
        except SuspiciousOperation:
            detail = ErrorDetails(name="query", reason="Too many parameters")
            return ParsedRequest(refusal=Refusal.MALFORMED, detail=detail)
    if body_class:
        found = _body(request, takes_forms)
        if isinstance(found, ParsedRequest):
            return found
        sources.append(_Source(body_class, *found))
    # Vendors' messages are English whatever the host's LocaleMiddleware chose.
    with translation.override("en"):
        return _validate(sources)


def header_of(name: str) -> str:
    """The header that a serializer's field stands for; Python's names have no hyphen."""
    return name.replace("_", "-")


def _headers(request: HttpRequest, header_class: SerializerClass) -> Mapping[str, str]:
    """The declared headers that came. One that came twice is one value, joined by a comma."""
    names = {name: header_of(name) for name in header_class().get_fields()}
    return {
        name: _text(request.headers[header])
        for name, header in names.items()
        if header in request.headers
    }


def _text(value: str) -> str:
    """A header's value as UTF-8, else as Latin-1, as which servers hand it on."""
    with suppress(UnicodeError):
        return value.encode("latin-1").decode("utf-8")
    return value


def _query(request: HttpRequest) -> QueryDict:
    """The query as UTF-8: ``request.GET`` is by the body's charset, which callers make up."""
    # WSGI's text is Latin-1 (PEP 3333); over ASGI Django has decoded the bytes already.
    encoding = "utf-8" if hasattr(request, "scope") else "latin-1"
    return QueryDict(request.META.get("QUERY_STRING", "").encode(encoding), encoding="utf-8")


def _of_query(query: QueryDict) -> tuple[Mapping[str, Any], frozenset[str]]:
    repeated = frozenset(key for key, values in query.lists() if len(values) > 1)
    return query.dict(), repeated


def _body(
    request: HttpRequest, takes_forms: Collection[str]
) -> ParsedRequest | tuple[Mapping[str, Any], frozenset[str]]:
    raw = body.raw(request)
    if raw is None:
        return ParsedRequest(refusal=Refusal.TOO_LARGE)
    # The type is not trusted: some clients send JSON as a form, or with no type at all.
    is_json = raw.lstrip()[:1] in (b"{", b"[")
    if request.content_type in takes_forms and raw and not is_json:
        try:
            return _of_query(body.form_fields(request, raw))
        except body.FormError as error:
            return ParsedRequest(refusal=Refusal.MALFORMED, detail=ErrorDetails(reason=str(error)))
    if not raw.strip():
        return {}, frozenset()
    try:
        values = body.from_json(raw)
    except (ValueError, RecursionError) as error:
        detail = ErrorDetails(reason=body.why(error))
        return ParsedRequest(refusal=Refusal.MALFORMED, detail=detail)
    if isinstance(values, body.Object):
        return values, values.repeated
    if isinstance(values, list):
        # As the vendors' own parsers do: an array is JSON, but has none of the fields.
        return {}, frozenset()
    return ParsedRequest(refusal=Refusal.MALFORMED, detail=ErrorDetails(reason="Not an object"))


def _validate(sources: Sequence[_Source]) -> ParsedRequest:
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    first: tuple[str, Fault, Any] | None = None
    for source in sources:
        serializer = source.serializer_class(data=source.data)
        for name, value in _repeated_in(serializer, source.data, source.repeated):
            errors[source.wire_name(name)] = ["This field was given more than once."]
            first = first or (source.wire_name(name), Fault.REPEATED, value)
        if serializer.is_valid():
            values |= serializer.validated_data
            continue
        for name, details, value in _found(serializer.errors, source.data):
            errors.setdefault(source.wire_name(name), [str(detail) for detail in details])
            first = first or (source.wire_name(name), _kind(details[0].code, value), value)
    if first is None:
        # No repr shows what a caller typed.
        return ParsedRequest(redaction.hide(values))
    name, kind, value = first
    detail = ErrorDetails(name=name, fault=kind, value=value, errors=errors)
    return ParsedRequest(refusal=Refusal.INVALID, detail=detail)


def _kind(code: str | None, value: Any) -> Fault:
    # Nothing but blanks is something, though of no use.
    if code in {"required", "null"} or value == "":
        return Fault.MISSING
    return Fault.WRONG if isinstance(value, str) else Fault.NOT_A_STRING


def _found(errors: Any, value: Any, path: str = "") -> Iterator[_Found]:
    """Yield each path, its errors and what was sent there, out of what DRF nests as it likes."""
    below: Iterable[tuple[Any, Any]]
    if isinstance(errors, Mapping):
        below = errors.items()
    elif any(not isinstance(error, str) for error in errors):
        below = enumerate(errors)
    else:
        if errors:
            yield path, list(errors), value
        return
    for key, inner in below:
        if key == api_settings.NON_FIELD_ERRORS_KEY and path:
            yield from _found(inner, value, path)
        else:
            yield from _found(inner, _at(value, key), _join(path, key))


def _repeated_in(field: Any, value: Any, names: frozenset[str], path: str = "") -> Iterator[Any]:
    """Yield the path and the value of each declared key that came more than once."""
    if isinstance(field, serializers.ListSerializer):
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _repeated_in(field.child, item, _names(item), _join(path, index))
    elif isinstance(field, serializers.Serializer):
        for name, inner in sorted(field.fields.items()):
            if name in names:
                yield _join(path, name), _at(value, name)
            below = _at(value, name)
            yield from _repeated_in(inner, below, _names(below), _join(path, name))


def _names(value: Any) -> frozenset[str]:
    return value.repeated if isinstance(value, body.Object) else frozenset()


def _at(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    return value[key] if isinstance(value, list) and key in range(len(value)) else None


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)

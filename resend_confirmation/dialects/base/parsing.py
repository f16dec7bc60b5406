"""Parsing of a request's path, headers, query and body by the dialect's serializers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.settings import api_settings

from ...outcomes import Refusal
from ...redaction import Secret
from . import body, declarations
from .declarations import NO_DETAILS, ErrorDetails, Fault

SerializerClass = type[serializers.Serializer[Any]]

#: The path of a field, its errors and the value sent for it.
_Found = tuple[str, list[ErrorDetail], Any]


class ParsedRequest(NamedTuple):
    """The result of parsing: values under our names, or a refusal with its details."""

    values: Mapping[str, Any] = MappingProxyType({})
    refusal: Refusal | None = None
    detail: ErrorDetails = NO_DETAILS


class _Source(NamedTuple):
    """One source of inputs; ``wire_name`` converts a field's name to the vendor's."""

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
    takes_forms: Mapping[str, bool],
) -> ParsedRequest:
    """Return the values of all declared inputs, or the first refusal.

    Inputs that are not declared are not read. Without ``body_class``, the body is never touched.
    ``takes_forms`` says of a form's media type whether such a body is read.
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
    # Vendors' messages are English, even if LocaleMiddleware activated another language.
    with translation.override("en"):
        return _validate(sources)


def sources_of(serializer: Any) -> set[str]:
    """Return the sources of a serializer's fields, those of nested serializers included."""
    fields = serializer.fields.values()
    below = [sources_of(field) for field in fields if isinstance(field, serializers.Serializer)]
    return {field.source for field in fields}.union(*below)


def header_of(name: str) -> str:
    """Return the header's name for a serializer's field: Python names have no hyphens."""
    return name.replace("_", "-")


def _headers(request: HttpRequest, header_class: SerializerClass) -> Mapping[str, str]:
    """Return the declared headers that were sent; the server joins repeated ones by commas."""
    names = {name: header_of(name) for name in declarations.made(header_class).fields}
    return {
        name: _text(request.headers[header])
        for name, header in names.items()
        if header in request.headers
    }


def accepted_language(request: HttpRequest) -> str:
    """Return the language in LANGUAGES that the browser prefers, or an empty string."""
    header = request.META.get("HTTP_ACCEPT_LANGUAGE", "")
    for code, _ in parse_accept_lang_header(header):
        with suppress(LookupError):
            return translation.get_supported_language_variant(code)
    return ""


def _text(value: str) -> str:
    """Decode a header's value as UTF-8, or keep it as Latin-1, which is how servers pass it on."""
    with suppress(UnicodeError):
        return value.encode("latin-1").decode("utf-8")
    return value


def _query(request: HttpRequest) -> QueryDict:
    """Return the query, decoded as UTF-8: ``request.GET`` uses the charset named for the body."""
    # WSGI strings are Latin-1 (PEP 3333). Under ASGI, Django has already decoded the bytes.
    encoding = "utf-8" if hasattr(request, "scope") else "latin-1"
    return QueryDict(request.META.get("QUERY_STRING", "").encode(encoding), encoding="utf-8")


def _of_query(query: QueryDict) -> tuple[Mapping[str, Any], frozenset[str]]:
    repeated = frozenset(key for key, values in query.lists() if len(values) > 1)
    return query.dict(), repeated


def _body(
    request: HttpRequest, takes_forms: Mapping[str, bool]
) -> ParsedRequest | tuple[Mapping[str, Any], frozenset[str]]:
    raw = body.raw(request)
    if raw is None:
        return ParsedRequest(refusal=Refusal.TOO_LARGE)
    # The Content-Type is not trusted: some clients send JSON with a form's type or with none.
    is_json = raw.lstrip()[:1] in (b"{", b"[")
    if takes_forms.get(request.content_type or "") and raw and not is_json:
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
        # Vendors' parsers accept an array too: it is valid JSON, with none of the fields.
        return {}, frozenset()
    return ParsedRequest(refusal=Refusal.MALFORMED, detail=ErrorDetails(reason="Not an object"))


def _validate(sources: Sequence[_Source]) -> ParsedRequest:
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    first: tuple[str, Fault, Any] | None = None
    for source in sources:
        serializer = declarations.made(source.serializer_class)
        for name, value in _repeated_in(serializer, source.data, source.repeated):
            errors[source.wire_name(name)] = ["This field was given more than once."]
            first = first or (source.wire_name(name), Fault.REPEATED, value)
        try:
            values |= serializer.run_validation(source.data)
            continue
        except serializers.ValidationError as error:
            found = error.detail
        for name, details, value in flattened(found, source.data):
            errors.setdefault(source.wire_name(name), [str(detail) for detail in details])
            first = first or (source.wire_name(name), _fault(details[0].code, value), value)
    if first is None:
        for name, value in values.items():
            if isinstance(value, str) and not isinstance(value, Secret):
                # The repr of a Secret does not show the caller's input.
                values[name] = Secret(value)
        return ParsedRequest(values)
    name, fault, value = first
    detail = ErrorDetails(name=name, fault=fault, value=value, errors=errors)
    return ParsedRequest(refusal=Refusal.INVALID, detail=detail)


def _fault(code: str | None, value: Any) -> Fault:
    # A string of blanks is not missing: it is wrong.
    if code in {"required", "null"} or value == "":
        return Fault.MISSING
    return Fault.WRONG if isinstance(value, str) else Fault.NOT_A_STRING


def flattened(errors: Any, value: Any, path: str = "") -> Iterator[_Found]:
    """Yield each path, its errors and the value sent there, from DRF's nested errors."""
    below: Iterable[tuple[Any, Any]]
    if isinstance(errors, Mapping):
        below = errors.items()
    elif any(not isinstance(error, str) for error in errors):
        below = enumerate(errors)
    else:
        yield path, list(errors), value
        return
    for key, inner in below:
        if key == api_settings.NON_FIELD_ERRORS_KEY and path:
            yield from flattened(inner, value, path)
        else:
            yield from flattened(inner, _at(value, key), _join(path, key))


def _repeated_in(field: Any, value: Any, names: frozenset[str], path: str = "") -> Iterator[Any]:
    """Yield the path and the value of each declared key that was sent more than once."""
    if isinstance(field, serializers.ListSerializer):
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _repeated_in(field.child, item, _names(item), _join(path, index))
    else:
        for name, inner in sorted(field.fields.items()):
            if name in names:
                yield _join(path, name), _at(value, name)
            if isinstance(inner, serializers.Serializer | serializers.ListSerializer):
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

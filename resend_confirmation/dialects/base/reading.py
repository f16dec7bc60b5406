"""Reading a request: path, headers, query and body by the dialect's serializers, nothing else."""

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, QueryDict, UnreadablePostError
from django.utils import translation
from rest_framework import serializers

from ... import redaction
from ...outcomes import Refusal
from . import faults, forms
from .answers import Detail, Kind

#: Deepest nesting that is read: what was sent may be echoed indented, which grows by its square.
MAX_DEPTH = 16

#: The largest body that is read, in bytes.
MAX_BODY = 16 * 1024
#: Bytes of a refused body that are still taken in, and how many at once.
DISCARD = 16 * 1024 * 1024
CHUNK = 64 * 1024

#: Stands for chunks that the server cannot read, which it tells in errors of its own: no JSON,
#: nor a field of any form.
UNREADABLE = b"\x00"

SerializerClass = type[serializers.Serializer[Any]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: values under our words, or why they could not be."""

    values: Mapping[str, Any] = field(default_factory=dict)
    refusal: Refusal | None = None
    detail: Detail = Detail()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class _Source:
    """One place of inputs; ``spell`` makes the vendor's word of a field's name."""

    serializer_class: SerializerClass
    data: Mapping[str, Any]
    repeated: frozenset[str] = frozenset()
    spell: Callable[[str], str] = str


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""


def _object(pairs: list[tuple[str, Any]]) -> faults.Object:
    made = faults.Object(pairs)
    if len(made) != len(pairs):
        made.repeated = _repeated(key for key, _ in pairs)
    return made


def _repeated(keys: Iterable[str]) -> frozenset[str]:
    seen: set[str] = set()
    return frozenset(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    """A float; ValueError for one such as 1e999, which JSON could not say again."""
    if math.isinf(number := float(text)):
        raise ValueError(f"{text} is too large")
    return number


def _whole(text: str) -> int:
    """An integer; ValueError for one that no double holds: a field may make a float of it."""
    _finite(text)
    return int(text)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        level = [child for item in level for child in _children(item)]
    return any(isinstance(item, dict | list) for item in level)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def read(
    request: HttpRequest,
    *,
    path: tuple[SerializerClass | None, Mapping[str, Any]],
    header_class: SerializerClass | None,
    query_class: SerializerClass | None,
    body_class: SerializerClass | None,
    takes_forms: Collection[str],
) -> Reading:
    """The values of all declared inputs, or the first refusal.

    What is not declared is not read: without ``body_class`` the body is never touched.
    """
    path_class, path_values = path
    sources: list[_Source] = []
    if path_class:
        sources.append(_Source(path_class, path_values))
    if header_class:
        sources.append(_Source(header_class, _headers(request, header_class), spell=header_of))
    if query_class:
        try:
            sources.append(_Source(query_class, *_of_query(_query(request))))
        except SuspiciousOperation:
            detail = Detail(name="query", reason="Too many parameters")
            return Reading(refusal=Refusal.MALFORMED, detail=detail)
    if body_class:
        body = _body(request, takes_forms)
        if isinstance(body, Reading):
            return body
        sources.append(_Source(body_class, *body))
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
) -> Reading | tuple[Mapping[str, Any], frozenset[str]]:
    raw = _raw(request)
    if raw is None:
        return Reading(refusal=Refusal.TOO_LARGE)
    # The type is not trusted: some clients send JSON as a form, or with no type at all.
    is_json = raw.lstrip()[:1] in (b"{", b"[")
    if request.content_type in takes_forms and raw and not is_json:
        try:
            return _of_query(forms.fields(request, raw))
        except forms.FormError as error:
            return Reading(refusal=Refusal.MALFORMED, detail=Detail(reason=str(error)))
    if not raw.strip():
        return {}, frozenset()
    try:
        parsed = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
        if _is_deep(parsed):
            raise RecursionError
    except (ValueError, RecursionError) as error:
        return Reading(refusal=Refusal.MALFORMED, detail=Detail(reason=_why(error)))
    if isinstance(parsed, faults.Object):
        return parsed, parsed.repeated
    if isinstance(parsed, list):
        # As the vendors' own parsers do: an array is JSON, but has none of the fields.
        return {}, frozenset()
    return Reading(refusal=Refusal.MALFORMED, detail=Detail(reason="Not an object"))


def _raw(request: HttpRequest) -> bytes | None:
    """Return the body, or None where it is larger than MAX_BODY."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    stream = _stream(request)
    if length > MAX_BODY:
        _discard(stream, length)
        return None
    if stream is request and hasattr(request, "_body"):
        raw: bytes = request.body  # A middleware of the host's has read it before us.
    else:
        try:
            raw = stream.read(MAX_BODY + 1)
        except RequestDataTooBig:
            return None
        except (UnreadablePostError, OSError):
            return b""  # The caller went away; there is nobody to answer.
        except Exception:
            if stream is request:
                raise
            return UNREADABLE
    if len(raw) > MAX_BODY:
        _discard(stream, DISCARD)
        return None
    return raw


def _stream(request: HttpRequest) -> _Readable:
    """Where the body is read from.

    Django takes a body without a length for empty. Servers that see to its end themselves, and say
    so (``wsgi.input_terminated``, as gunicorn does), give what a client sends in chunks.
    """
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if chunked and request.META.get("wsgi.input_terminated"):
        stream: _Readable = request.META["wsgi.input"]
        return stream
    return request


def _discard(stream: _Readable, length: int) -> None:
    """Take in a body that is refused: closed on in the middle, a client never sees the answer."""
    left = min(length, DISCARD)
    # It is refused already, whatever a server's own stream raises.
    with suppress(Exception):
        while left > 0 and (chunk := stream.read(min(left, CHUNK))):
            left -= len(chunk)


def _why(error: Exception) -> str:
    match error:
        case json.JSONDecodeError(msg=text, pos=place):
            return f"{text} at position {place}"
        case UnicodeDecodeError():
            return "Body is not valid UTF-8"
        case RecursionError():
            return "Nested too deeply"
    return "Body is not valid JSON"


def _validate(sources: Sequence[_Source]) -> Reading:
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    first: tuple[str, Kind, Any] | None = None
    for source in sources:
        serializer = source.serializer_class(data=source.data)
        for name, value in faults.repeated(serializer, source.data, source.repeated):
            errors[source.spell(name)] = ["This field was given more than once."]
            first = first or (source.spell(name), Kind.REPEATED, value)
        if serializer.is_valid():
            values |= serializer.validated_data
            continue
        for name, details, value in faults.found(serializer.errors, source.data):
            errors.setdefault(source.spell(name), [str(detail) for detail in details])
            first = first or (source.spell(name), _kind(details[0].code, value), value)
    if first is None:
        # No repr shows what a caller typed.
        return Reading(redaction.hide(values))
    name, kind, value = first
    detail = Detail(name=name, kind=kind, value=value, errors=errors)
    return Reading(refusal=Refusal.INVALID, detail=detail)


def _kind(code: str | None, value: Any) -> Kind:
    # Nothing but blanks is something, though of no use.
    if code in {"required", "null"} or value == "":
        return Kind.MISSING
    return Kind.WRONG if isinstance(value, str) else Kind.NOT_A_STRING

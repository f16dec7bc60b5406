"""Reading of a request's body: size limits, chunks, JSON and the fields of forms."""

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO
from typing import Any, NoReturn, Protocol

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

#: Deepest nesting of JSON that is accepted. An answer may echo the input with indentation, which
#: makes its size grow with the square of the depth.
MAX_DEPTH = 16

#: Size of the largest body that is accepted, in bytes.
MAX_BODY = 16 * 1024
#: Bytes of a refused body that are read and discarded: in total, and in one read.
DISCARD = 16 * 1024 * 1024
READ_SIZE = 64 * 1024

#: Placeholder for a chunked body that the server could not decode. It is not valid JSON, and a
#: form parsed from it has no field that a dialect reads.
UNREADABLE = b"\x00"


class FormError(ValueError):
    """A form body that is invalid, has too many fields or contains a file."""


class _NoFiles(FileUploadHandler):
    """An upload handler that refuses the first file before its content is read."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise FormError("Files are not read")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None: ...

    def file_complete(self, file_size: int) -> None: ...


class Object(dict[str, Any]):
    """A JSON object that remembers its repeated keys."""

    repeated: frozenset[str] = frozenset()


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end of the body."""


def raw(request: HttpRequest) -> bytes | None:
    """Return the body, or None if it is too large."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    stream = _stream(request)
    if length > MAX_BODY:
        _discard(stream, length)
        return None
    if stream is request and hasattr(request, "_body"):
        found: bytes = request.body  # The host's middleware has read it.
    else:
        try:
            found = stream.read(MAX_BODY + 1)
        except OSError:
            return b""  # The client has disconnected.
        except Exception:
            if stream is request:
                raise
            return UNREADABLE
    if len(found) > MAX_BODY:
        _discard(stream, DISCARD)
        return None
    return found


def _stream(request: HttpRequest) -> _Readable:
    """Return the stream to read the body from.

    Django treats a body without a length as empty. A server that sets ``wsgi.input_terminated``,
    such as gunicorn, marks the end of a chunked body itself, so that one is read from the server.
    """
    # ``request.headers`` would read all headers.
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    if chunked and request.META.get("wsgi.input_terminated"):
        stream: _Readable = request.META["wsgi.input"]
        return stream
    return request


def _discard(stream: _Readable, length: int) -> None:
    """Drain a refused body: a client that is cut off during the upload never sees the answer."""
    left = min(length, DISCARD)
    # The body is already refused, so errors of the server's stream are ignored.
    with suppress(Exception):
        while left > 0 and (chunk := stream.read(min(left, READ_SIZE))):
            left -= len(chunk)


def form_fields(request: HttpRequest, raw: bytes) -> QueryDict:
    """Return a form's fields, always decoded as UTF-8; raise FormError for an invalid form."""
    try:
        if request.content_type == URLENCODED:
            return QueryDict(raw, encoding="utf-8")
        # Django's parser accepts the type in lower case only.
        parameters = request.META["CONTENT_TYPE"].partition(";")[2]
        meta = {"CONTENT_TYPE": f"{MULTIPART};{parameters}", "CONTENT_LENGTH": len(raw)}
        found, _ = MultiPartParser(meta, BytesIO(raw), [_NoFiles()], "utf-8").parse()
    except SuspiciousOperation:
        raise FormError("Too many fields") from None
    except MultiPartParserError:
        raise FormError("Body is not valid multipart") from None
    return found


def from_json(raw: bytes) -> Any:
    """Parse JSON strictly; raise ValueError or RecursionError, which ``why`` explains."""
    parsed = json.loads(
        raw.decode("utf-8"),
        object_pairs_hook=_object,
        parse_constant=_no_constant,
        parse_float=_finite,
        parse_int=_whole,
    )
    if _is_deep(parsed):
        raise RecursionError
    return parsed


def why(error: Exception) -> str:
    """Return the reason why ``from_json`` raised ``error``, as a text."""
    match error:
        case json.JSONDecodeError(msg=text, pos=place):
            return f"{text} at position {place}"
        case UnicodeDecodeError():
            return "Body is not valid UTF-8"
        case RecursionError():
            return "Nested too deeply"
    return "Body is not valid JSON"


def _object(pairs: list[tuple[str, Any]]) -> Object:
    made = Object(pairs)
    if len(made) != len(pairs):
        made.repeated = _repeated(key for key, _ in pairs)
    return made


def _repeated(keys: Iterable[str]) -> frozenset[str]:
    seen: set[str] = set()
    return frozenset(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    """Return a float; raise ValueError if it is infinite (1e999): JSON cannot represent that."""
    if math.isinf(number := float(text)):
        raise ValueError(f"{text} is too large")
    return number


def _whole(text: str) -> int:
    """Return an integer; raise ValueError if a float cannot hold it: fields may convert it."""
    _finite(text)
    return int(text)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        level = below
    return any(isinstance(item, dict | list) for item in level)

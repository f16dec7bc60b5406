"""The bytes of a body: how many are read, chunks, JSON, and the fields of forms."""

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO
from typing import Any, NoReturn, Protocol

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

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


class FormError(ValueError):
    """A body that is not the form that its type says, or one with a file."""


class _NoFiles(FileUploadHandler):
    """Refuses the first file, before its content is read."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise FormError("Files are not read")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None: ...

    def file_complete(self, file_size: int) -> None: ...


class Object(dict[str, Any]):
    """A JSON object that remembers which of its keys came more than once."""

    repeated: frozenset[str] = frozenset()


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""


def raw(request: HttpRequest) -> bytes | None:
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
        found: bytes = request.body  # A middleware of the host's has read it before us.
    else:
        try:
            found = stream.read(MAX_BODY + 1)
        except RequestDataTooBig:
            return None
        except (UnreadablePostError, OSError):
            return b""  # The caller went away; there is nobody to answer.
        except Exception:
            if stream is request:
                raise
            return UNREADABLE
    if len(found) > MAX_BODY:
        _discard(stream, DISCARD)
        return None
    return found


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


def form_fields(request: HttpRequest, raw: bytes) -> QueryDict:
    """Return the fields of a form as UTF-8, whatever charset it names; FormError for none."""
    try:
        if request.content_type == URLENCODED:
            return QueryDict(raw, encoding="utf-8")
        # Django's parser wants the type in small letters.
        parameters = request.META["CONTENT_TYPE"].partition(";")[2]
        meta = {"CONTENT_TYPE": f"{MULTIPART};{parameters}", "CONTENT_LENGTH": len(raw)}
        found, _ = MultiPartParser(meta, BytesIO(raw), [_NoFiles()], "utf-8").parse()
    except SuspiciousOperation:
        raise FormError("Too many fields") from None
    except MultiPartParserError:
        raise FormError("Body is not valid multipart") from None
    return found


def from_json(raw: bytes) -> Any:
    """Parse JSON strictly; raise ValueError or RecursionError, which ``why`` puts into words."""
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
    """Return the reason for which ``from_json`` refused a body."""
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

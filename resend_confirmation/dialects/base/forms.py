"""Bodies of forms: the fields of a body that was read already, and no files."""

from io import BytesIO
from typing import Any, NoReturn

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class FormError(ValueError):
    """A body that is not the form that its type says, or one with a file."""


class _NoFiles(FileUploadHandler):
    """Refuses the first file, before its content is read."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise FormError("Files are not read")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None: ...

    def file_complete(self, file_size: int) -> None: ...


def fields(request: HttpRequest, raw: bytes) -> QueryDict:
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

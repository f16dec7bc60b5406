"""Unexpected exceptions, logged and passed on without their text.

A driver's exception may quote the rejected row, with its addresses and payloads.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from traceback import clear_frames, walk_tb
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.core.cache import InvalidCacheBackendError
from django.core.exceptions import (
    BadRequest,
    ImproperlyConfigured,
    PermissionDenied,
    SuspiciousOperation,
)
from django.db import DataError, IntegrityError, connections
from django.db import Error as DjangoError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.debug import sensitive_variables

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("resend_confirmation")

#: The replacement for the text of a database error.
WITHHELD = "its text is withheld, since it may quote a row"

#: Maximum number of frames that are logged per exception, counted from the innermost.
DEPTH = 40

#: Attributes with the code of an error, which does not contain data.
_CODES = ("sqlstate", "pgcode", "sqlite_errorname", "smtp_code", "errno")

#: Exceptions with a text that names modules and settings, not their contents.
_PLAIN = (ImportError, ImproperlyConfigured, InvalidCacheBackendError)

#: Exceptions that Django turns into answers.
_OF_DJANGO = (BadRequest, Http404, MultiPartParserError, PermissionDenied, SuspiciousOperation)


class UnexpectedError(Exception):
    """A replacement for an exception that reaches Django, with only the class name as its text."""


def report(text: str, *args: object) -> None:
    """Log the exception being handled at ERROR, with classes and codes instead of its text.

    The frames are in ``stack_info``.
    """
    error = sys.exc_info()[1]
    if error is None or not logger.isEnabledFor(logging.ERROR):
        return
    behind = chain(error)
    file, line, function, _ = logger.findCaller(stacklevel=2)
    record = logger.makeRecord(
        logger.name,
        logging.ERROR,
        file,
        line,
        f"{text} (%s)",
        (*args, " from ".join(map(name_of, behind))),
        None,
        func=function,
        sinfo="\n".join(described for each in behind for described in _lines(each)),
    )
    logger.handle(record)


def name_of(error: BaseException) -> str:
    """Return the class of ``error``, and its SQLSTATE or number if it has one."""
    code = _code(error)
    return f"{type(error).__name__} [{code}]" if code else type(error).__name__


def explain(error: BaseException) -> str:
    """Return the class of ``error``, and its text if that cannot hold a secret."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, _PLAIN) else name


def is_outage(error: BaseException) -> bool:
    """Return whether ``error`` comes from a server, a connection or a table, not from one row."""
    if isinstance(error, DataError | IntegrityError):
        return False
    return isinstance(error, DjangoError | OSError)


def chain(error: BaseException) -> list[BaseException]:
    """Return ``error``, its causes and contexts, and the members of groups among them."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or any(each is known for known in found):
            continue
        found.append(each)
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
    return found


def censor(error: BaseException) -> None:
    """Remove data that a report would show from ``error`` and from all exceptions in its chain.

    Database errors lose their text and keep classes and codes. Frames that have ended lose their
    local variables, except under DEBUG: Django does not hide variables below a generator, and its
    querysets are generators.
    """
    drivers = _of_drivers()
    for each in chain(error):
        if not settings.DEBUG:
            clear_frames(each.__traceback__)
        is_wrapper = isinstance(each, DjangoError) and isinstance(each.__cause__, drivers)
        if is_wrapper or isinstance(each, drivers):
            each.args = (*_number(each), WITHHELD)
            vars(each).pop("__notes__", None)


def without_text(error: Exception) -> Exception:
    """Return an exception to raise instead of ``error``, with the same traceback.

    Stores and receivers are the host's code, and their exceptions may quote an address. ``error``
    itself is returned under DEBUG, and if Django or a developer needs its text.
    """
    if settings.DEBUG or isinstance(error, (*_PLAIN, *_OF_DJANGO)):
        return error
    names = " from ".join(map(name_of, chain(error)))
    return UnexpectedError(names).with_traceback(error.__traceback__)


def discreet(work: Callable[P, R]) -> Callable[P, R]:
    """Keep callers' input out of reports of exceptions that ``work`` raises."""

    @sensitive_variables()
    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            censor(error)
            raise

    return run


def _of_drivers() -> tuple[type[Exception], ...]:
    modules = [getattr(connections[alias], "Database", None) for alias in connections]
    return tuple({module.Error for module in modules if module is not None})


def _lines(error: BaseException) -> Iterator[str]:
    yield f"{type(error).__module__}.{name_of(error)}"
    for frame, line in list(walk_tb(error.__traceback__))[-DEPTH:]:
        yield f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}'


def _code(error: BaseException) -> str:
    codes: list[Any] = [getattr(error, name, None) for name in _CODES]
    if isinstance(error, (DjangoError, *_of_drivers())):
        codes += _number(error)
    return next((str(code) for code in codes if code), "")


def _number(error: BaseException) -> tuple[int, ...]:
    """Return the number that is the first argument of errors of MySQL and MariaDB."""
    return error.args[:1] if error.args and isinstance(error.args[0], int) else ()

"""Checks of the e-mail backend: it must exist, and in production it must send."""

import warnings
from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from .. import conf, failures
from .registry import ID, bind

_BACKENDS = "django.core.mail.backends"
#: Django's backends that send nothing.
KEEPING = {
    f"{_BACKENDS}.{name}.EmailBackend" for name in ("console", "dummy", "filebased", "locmem")
}


def _backend() -> tuple[str, Any] | None:
    """Return the setting that names the backend of MAILER, and its value; None without one."""
    alias = conf.get().MAILER
    mailers = getattr(settings, "MAILERS", None) if django.VERSION >= (6, 1) else None
    if mailers is not None:
        entry = mailers.get(alias)
        if entry is None:
            return None
        return f"MAILERS[{alias!r}]", entry.get("BACKEND", f"{_BACKENDS}.smtp.EmailBackend")
    if django.VERSION >= (6, 1) and alias != "default":
        return None
    with warnings.catch_warnings():
        # Since Django 6.1 reading the setting raises a deprecation warning.
        warnings.simplefilter("ignore")
        return "EMAIL_BACKEND", settings.EMAIL_BACKEND


@bind()
def check_mailer(**_: Any) -> Iterator[CheckMessage]:
    """Yield an error if MAILER or the backend that it names does not exist."""
    found = _backend()
    if found is None:
        yield Error(
            f"MAILER is {conf.get().MAILER!r}, which is not in MAILERS",
            hint="Add it to Django's MAILERS, or choose another name.",
            id=f"{ID}.E015",
        )
        return
    place, backend = found
    try:
        import_string(backend)
    except Exception as error:
        # Not only ImportError: a provider's backend may raise its own error.
        yield Error(
            f"{place} names {backend!r}, which cannot be imported: {failures.explain(error)}",
            hint="Correct it, or install the package that it belongs to.",
            id=f"{ID}.E023",
        )


@bind(deploy=True)
def check_mail_backend(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for a development backend, which logs or drops links."""
    found = _backend()
    if found and found[1] in KEEPING:
        yield checks.Warning(
            f"Messages are not sent: the mail backend is {found[1]}",
            hint="Use SMTP or a provider's backend: set MAILERS in Django 6.1 or later, "
            "EMAIL_BACKEND in earlier versions.",
            id=f"{ID}.W006",
        )

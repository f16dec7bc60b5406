"""Checks of the way out: a mail backend that sends, and a Python that writes headers safely."""

import email.message
import email.policy
import warnings
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import Policy
from typing import Any

import django
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from .. import conf, failures
from .binding import ID, bind

_BACKENDS = "django.core.mail.backends"
#: Django's backends that hand nothing to anybody.
KEEPING = {
    f"{_BACKENDS}.{name}.EmailBackend" for name in ("console", "dummy", "filebased", "locmem")
}


def _backend() -> tuple[str, Any] | None:
    """Which setting names the backend that sends our messages, and what it names; None if none."""
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
        # Since Django 6.1 whoever reads the setting is told to use MAILERS.
        warnings.simplefilter("ignore")
        return "EMAIL_BACKEND", settings.EMAIL_BACKEND


@bind()
def check_mailer(**_: Any) -> Iterator[CheckMessage]:
    """MAILER must name a connection that there is, and its backend be there, too."""
    found = _backend()
    if found is None:
        yield Error(
            f"MAILER names {conf.get().MAILER!r}, which MAILERS does not have",
            hint="Add it to Django's MAILERS, or name another.",
            id=f"{ID}.E015",
        )
        return
    place, backend = found
    try:
        import_string(backend)
    except Exception as error:
        # Not ImportError alone: a provider's backend may say in its own way what it lacks.
        yield Error(
            f"{place} names {backend!r}, which cannot be imported: {failures.explain(error)}",
            hint="Correct it, or install the package that it belongs to.",
            id=f"{ID}.E023",
        )


@bind(deploy=True)
def check_mail_backend(**_: Any) -> Iterator[CheckMessage]:
    """A backend for development prints links into a log, or drops them."""
    found = _backend()
    if found and found[1] in KEEPING:
        yield checks.Warning(
            f"Messages are not sent: the mail backend is {found[1]}",
            hint="Use SMTP or a provider's backend, in MAILERS from Django 6.1, in EMAIL_BACKEND "
            "before.",
            id=f"{ID}.W006",
        )


#: Headers that some Pythons write so that somebody else reads another: the issue, the name and
#: the value. Their numbers do not tell, since distributions mend older ones.
UNSAFE_HEADERS = (
    # CVE-2024-6923, mended in 3.12.5 and 3.13.0: https://github.com/python/cpython/issues/121650
    ("gh-121650", "Subject", "=?utf-8?q?Hello=0ABcc=3A_other=40example.org?="),
    # Mended in 3.12.9 and 3.13.2: https://github.com/python/cpython/issues/80222
    (
        "gh-80222",
        "To",
        '"A name <other@example.org>, so %slong" <a@example.com>' % ("very " * 15),
    ),
    # Mended in 3.12.10 and 3.13.3: https://github.com/python/cpython/issues/121284
    (
        "gh-121284",
        "To",
        "=?utf-8?q?A_n=C3=A4me=2C_other=40example=2Eorg=2C_that_is_folded=2C_too?= <a@example.com>",
    ),
)


def unsafe_headers(policy: Policy) -> list[str]:
    """The issues of Python's that ``policy`` has: what it writes is read back as something else."""
    return [issue for issue, name, value in UNSAFE_HEADERS if _is_misread(policy, name, value)]


def _is_misread(policy: Policy, name: str, value: str) -> bool:
    message = email.message.EmailMessage(policy=policy)
    try:
        message[name] = value
        written = message.as_bytes()
    except Exception:
        return False  # It refuses, and nothing is sent.
    read = message_from_bytes(written, policy=email.policy.default)
    if read.keys() != [name]:
        return True
    return name == "To" and [a.addr_spec for a in read["To"].addresses] != ["a@example.com"]


@bind(deploy=True)
def check_python(**_: Any) -> Iterator[CheckMessage]:
    """Since Django 6 Python's own policy writes the headers, and not each Python does it safely."""
    if django.VERSION < (6, 0):
        return
    if issues := unsafe_headers(email.policy.default):
        yield checks.Warning(
            f"This Python may write mail headers that are read as others: {', '.join(issues)}",
            hint="Update your Python to its latest patch release: 3.12.10, 3.13.3, 3.14 or later.",
            id=f"{ID}.W011",
        )

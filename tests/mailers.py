"""E-mail backends that fail as a test specifies, for all versions of Django."""

from contextlib import contextmanager, suppress
from typing import Any, ClassVar
from unittest import mock

import django
from django.core.mail.backends import locmem

from resend_confirmation.email_backend import Connection

SMTP = "django.core.mail.backends.smtp.EmailBackend"


class ScriptedBackend(locmem.EmailBackend):
    """Raise the exceptions in ``script``, one per call, and otherwise keep messages in memory."""

    script: ClassVar[list[BaseException | None]] = []
    seen: ClassVar[list[Any]] = []

    def send_messages(self, messages):
        self.seen.extend(messages)
        if self.script and (error := self.script.pop(0)) is not None:
            raise error
        return super().send_messages(messages)


class LosingBackend(locmem.EmailBackend):
    """Report that no message was accepted, which may be true or not."""

    def send_messages(self, messages):
        return 0


class KilledError(BaseException):
    """Simulates the end of a process during a send."""


@contextmanager
def killed():
    """Kill couriers after the backend returns, before they can store the result."""
    send = Connection.send

    def send_and_die(*args, **kwargs):
        send(*args, **kwargs)
        raise KilledError

    with mock.patch.object(Connection, "send", send_and_die), suppress(KilledError):
        yield


def through(settings, backend, **options):
    """Configure ``backend`` as the e-mail backend, for all versions of Django."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        return
    settings.EMAIL_BACKEND = backend
    names = {"username": "EMAIL_HOST_USER", "password": "EMAIL_HOST_PASSWORD"}
    for name, value in options.items():
        setattr(settings, names.get(name, f"EMAIL_{name.upper()}"), value)

"""Mail backends that fail as a test lays it out, for any Django."""

from contextlib import contextmanager, suppress
from typing import Any, ClassVar
from unittest import mock

import django
from django.core.mail.backends import locmem

from resend_confirmation.email_backend import Connection

SMTP = "django.core.mail.backends.smtp.EmailBackend"


class ScriptedBackend(locmem.EmailBackend):
    """Keeps messages in memory, after raising what the test laid out for it."""

    script: ClassVar[list[BaseException | None]] = []
    seen: ClassVar[list[Any]] = []

    def send_messages(self, messages):
        self.seen.extend(messages)
        if self.script and (error := self.script.pop(0)) is not None:
            raise error
        return super().send_messages(messages)


class LosingBackend(locmem.EmailBackend):
    """Says that it took nothing, which may be true or not."""

    def send_messages(self, messages):
        return 0


class KilledError(BaseException):
    """An exception that ends a process in the middle of sending."""


@contextmanager
def killed():
    """Couriers that are killed once the backend has answered, before they can write it down."""
    send = Connection.send

    def send_and_die(*args, **kwargs):
        send(*args, **kwargs)
        raise KilledError

    with mock.patch.object(Connection, "send", send_and_die), suppress(KilledError):
        yield


def through(settings, backend, **options):
    """Send through ``backend``, on any Django."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        return
    settings.EMAIL_BACKEND = backend
    names = {"username": "EMAIL_HOST_USER", "password": "EMAIL_HOST_PASSWORD"}
    for name, value in options.items():
        setattr(settings, names.get(name, f"EMAIL_{name.upper()}"), value)

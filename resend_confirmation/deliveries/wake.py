"""Notification of the configured carrier. Best effort, since the row stays due."""

from typing import Protocol

from django.utils.module_loading import import_string

from .. import conf, failures
from ..conf import Backend

#: The carriers that come with the package; any other value of CARRIER is a dotted path.
CARRIERS = {
    "thread": "resend_confirmation.carriers.thread.ThreadCarrier",
    "tasks": "resend_confirmation.carriers.tasks.TasksCarrier",
    "celery": "resend_confirmation.carriers.celery.CeleryCarrier",
    "none": "resend_confirmation.carriers.none.NoCarrier",
}


class Carrier(Protocol):
    """Notifier that gets due deliveries sent soon. It may be called often and must return at once.

    If it has a method ``check`` without arguments, ``manage.py check --deploy`` calls that for a
    list of :class:`django.core.checks.CheckMessage`.
    """

    def wake(self) -> None:
        """Notify a worker that rows were committed."""


_carriers: dict[str, Carrier] = {}


def carrier(backend: Backend) -> Carrier:
    """Return the one carrier of this process for a value of CARRIER.

    Raise the error of importing its class, or of the class for its options. Concurrent calls may
    each create one, and all return the same.
    """
    # The key is a string, since options need not be hashable.
    key = f"{backend.name} {dict(backend.options)!r}"
    if known := _carriers.get(key):
        return known
    made = import_string(CARRIERS.get(backend.name, backend.name))(**backend.options)
    return _carriers.setdefault(key, made)


def wake() -> None:
    """Wake the carrier. Its errors are logged and not raised, since the row stays due."""
    try:
        carrier(conf.get().CARRIER).wake()
    except Exception:
        failures.report("The carrier could not be notified; the message stays queued")

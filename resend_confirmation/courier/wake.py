"""Waking the carrier that the settings name: a hint only, since the row is the truth."""

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
    """Gets somebody to drain soon; it may be called often and must return at once.

    One that has a method ``check``, without arguments, is asked by ``manage.py check --deploy``
    for a list of :class:`django.core.checks.CheckMessage`.
    """

    def wake(self) -> None:
        """Rows were committed."""


_carriers: dict[str, Carrier] = {}


def carrier(backend: Backend) -> Carrier:
    """Return the one carrier of this process for a value of CARRIER.

    Raise what importing its class raises, or the class for its options. Threads that ask at the
    same time may each make one, and all get the same.
    """
    # Options need not be hashable.
    key = f"{backend.name} {dict(backend.options)!r}"
    return _carriers.get(key) or _carriers.setdefault(key, _made(backend))


def _made(backend: Backend) -> Carrier:
    made: Carrier = import_string(CARRIERS.get(backend.name, backend.name))(**backend.options)
    return made


def wake() -> None:
    """Wake the carrier; whatever goes wrong there is logged, for the row stays due."""
    try:
        carrier(conf.get().CARRIER).wake()
    except Exception:
        failures.report("The carrier could not be notified; the message stays queued")

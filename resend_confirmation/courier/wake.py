"""Waking the carrier that the settings name: a hint only, since the row is the truth."""

from functools import cache
from typing import Protocol

from django.utils.module_loading import import_string

from .. import conf, failures

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


@cache
def carrier(name: str) -> Carrier:
    """The one carrier of this process for a value of CARRIER; ImportError if there is none."""
    made: Carrier = import_string(CARRIERS.get(name, name))()
    return made


def wake() -> None:
    """Wake the carrier; whatever goes wrong there is logged, for the row stays due."""
    try:
        carrier(conf.get().CARRIER).wake()
    except Exception:
        failures.report("The carrier could not be woken; the message stays queued")

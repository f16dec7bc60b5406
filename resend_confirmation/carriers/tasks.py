"""The carrier over django.tasks: on Django 6 its own, on Django 5.2 the package django-tasks.

Imported only where ``CARRIER`` is ``"tasks"``: a task that names a queue which the host does not
have would break it at import.
"""

from threading import Event

import django
from django.core import checks
from django.core.checks import CheckMessage

from .. import conf, engine

if django.VERSION >= (6, 0):
    from django.tasks import task
    from django.tasks.backends.dummy import DummyBackend
    from django.tasks.backends.immediate import ImmediateBackend
else:
    from django_tasks import task  # type: ignore[no-redef]
    from django_tasks.backends.dummy import DummyBackend  # type: ignore[assignment]
    from django_tasks.backends.immediate import ImmediateBackend  # type: ignore[assignment]


# Where the site has no queue of the default name, a task that names it cannot even be declared.
_given = conf.get().CARRIER.options


@task(backend=_given.get("backend", "default"), queue_name=_given.get("queue", "default"))
def drain() -> None:
    """Drain until nothing is due; the rows are the truth, so that it may run twice or never."""
    engine.drain_all(Event())


class TasksCarrier:
    """Enqueues the drain at each wake.

    With a backend that loses or never repeats tasks, run ``manage.py resend_confirmation drain``
    by cron beside it: repeats are due without anybody's waking.
    """

    def __init__(self, backend: str = "default", queue: str = "default") -> None:
        self._task = drain.using(backend=backend, queue_name=queue)

    def wake(self) -> None:
        """Enqueue; the caller has committed."""
        self._task.enqueue()

    def check(self) -> list[CheckMessage]:
        """Whether the backend of tasks is one of Django's two for development."""
        backend = self._task.get_backend()
        if isinstance(backend, ImmediateBackend):
            what = "sends within the request, which takes as long as the mail server"
        elif isinstance(backend, DummyBackend):
            what = "runs no task at all"
        else:
            return []
        return [
            checks.Warning(
                f'CARRIER is "tasks", and {type(backend).__name__} {what}',
                hint="Set OPTIONS['backend'] to a backend in TASKS that works in another process, "
                'such as that of django-tasks-db, or set CARRIER to "thread".',
                id="resend_confirmation.W016",
            )
        ]

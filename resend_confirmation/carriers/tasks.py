"""The django.tasks carrier; on Django 5.2 it uses the package django-tasks.

Imported only if ``CARRIER`` is ``"tasks"``, because a task that names a missing queue fails at
import.
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


# A task cannot be declared with the default queue if the site has no queue of that name.
_given = conf.get().CARRIER.options


@task(backend=_given.get("backend", "default"), queue_name=_given.get("queue", "default"))
def drain() -> None:
    """Drain until nothing is due. Idempotent: the state is in the rows."""
    engine.drain_all(Event())


class TasksCarrier:
    """Enqueue a drain at each wake.

    With a backend that loses tasks or does not retry them, also run
    ``manage.py resend_confirmation drain`` from cron: no wake announces a retry.
    """

    def __init__(self, backend: str = "default", queue: str = "default") -> None:
        self._task = drain.using(backend=backend, queue_name=queue)

    def wake(self) -> None:
        """Enqueue the task; the caller has committed."""
        self._task.enqueue()

    def check(self) -> list[CheckMessage]:
        """Return a warning if the tasks backend is one of Django's two for development."""
        backend = self._task.get_backend()
        if isinstance(backend, ImmediateBackend):
            what = "sends within the request, which waits for the mail server"
        elif isinstance(backend, DummyBackend):
            what = "runs no tasks"
        else:
            return []
        return [
            checks.Warning(
                f'CARRIER is "tasks", but {type(backend).__name__} {what}',
                hint="Set OPTIONS['backend'] to a backend in TASKS that works in another process, "
                'such as that of django-tasks-db, or set CARRIER to "thread".',
                id="resend_confirmation.W016",
            )
        ]

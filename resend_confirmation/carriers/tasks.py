"""The carrier over django.tasks: on Django 6 its own, on Django 5.2 the package django-tasks.

Imported only where ``CARRIER`` is ``"tasks"``: a task that names a queue which the host does not
have would break it at import.
"""

from threading import Event

import django

from .. import conf, engine

if django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task  # type: ignore[no-redef]


@task(backend=conf.get().TASKS_BACKEND, queue_name=conf.get().TASKS_QUEUE)
def drain() -> None:
    """Drain until nothing is due; the rows are the truth, so that it may run twice or never."""
    engine.drain_all(Event())


class TasksCarrier:
    """Enqueues the drain at each wake.

    With a backend that loses or never repeats tasks, run ``manage.py resend_confirmation drain``
    by cron beside it: repeats are due without anybody's waking.
    """

    def wake(self) -> None:
        """Enqueue; the caller has committed."""
        drain.enqueue()

"""Actions of staff on many confirmations, which couriers carry out in batches."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.apps import apps
from django.db import OperationalError
from django.db.models import F

from .. import database, failures
from ..courier import prepared
from ..deliveries import wake
from ..models import Confirmation, Run
from ..outcomes import RunAction
from . import runs
from .confirmation import confirm_by_hand
from .reopening import Reopening, open_again
from .signup import moved_account_of, withdraw

#: Confirmations of a batch. Each batch is a separate transaction.
BATCH = 100

_CHANGES: dict[str, Callable[[Confirmation], bool]] = {
    RunAction.WITHDRAW: partial(withdraw, by_hand=True),
    RunAction.CONFIRM: confirm_by_hand,
    RunAction.REOPEN: lambda row: open_again(row) is Reopening.OPENED,
}


def begin(action: RunAction, keys: Sequence[Any], *, user: Any, entry: str) -> Run:
    """Store ``action`` on the confirmations with these keys, for the couriers to carry out.

    ``user`` is the member of staff, and ``entry`` the text of the log entry of each confirmation
    that is withdrawn, confirmed or opened again. The carrier is woken after the commit.
    """
    now = database.now()
    run = Run.objects.create(
        name=f"{action} {now:%Y-%m-%d %H:%M:%S.%f}",
        started_at=now,
        action=action,
        selection=",".join(map(str, keys)),
        size=len(keys),
        user=user,
        entry=entry,
    )
    database.on_commit(wake.wake)
    return run


def advance() -> int:
    """Process the next batch of the oldest action, and return its number of confirmations."""
    unfinished = Run.objects.filter(position__lt=F("size"), cancelled_at=None)
    run = unfinished.order_by("pk").first()
    return 0 if run is None else _process_batch(run)


@failures.discreet
@database.retry_on_deadlock
def _process_batch(run: Run) -> int:
    with database.atomic():
        end = min(run.position + BATCH, run.size)
        changes: dict[str, Any] = {"position": end}
        if end == run.size:
            changes["selection"] = ""
        # The row stays locked. Another courier waits, and then finds a later position.
        here = Run.objects.filter(pk=run.pk, position=run.position, cancelled_at=None)
        if not here.update(**changes):
            return 0
        keys = run.selection.split(",")[run.position : end]
        rows = Confirmation.objects.filter(pk__in=keys).select_related("account").order_by("pk")
        is_resend = run.action == RunAction.RESEND
        count = _resend(run, list(rows)) if is_resend else _change(run, list(rows))
        Run.objects.filter(pk=run.pk).update(done=F("done") + count)
    return end - run.position


def _resend(run: Run, rows: Sequence[Confirmation]) -> int:
    """Queue the messages, and return their number. An error skips the batch."""
    try:
        with database.atomic():
            wanted = {row.pk: (row.account_id, row.parsed) for row in rows if row.parsed}
            known = dict(zip(wanted, prepared.accounts_of(list(wanted.values())), strict=True))
            found = [known.get(row.pk) or moved_account_of(row) for row in rows]
            accounts = [account for account in found if account]
            return runs.queue(run, accounts, lambda account, row: True).queued
    except OperationalError:
        raise
    except Exception:
        failures.report("A batch of a bulk run failed and was skipped")
        return 0


def _change(run: Run, rows: Sequence[Confirmation]) -> int:
    """Apply the action to each row, log the successes, and return their number."""
    done = [row for row in rows if _change_one(run, row)]
    entries: Any = apps.get_model("admin", "LogEntry")
    if done and run.user_id is not None:
        kind = apps.get_model("contenttypes", "ContentType").objects.get_for_model(Confirmation)
        entries.objects.bulk_create(
            entries(
                user_id=run.user_id,
                content_type_id=kind.pk,
                object_id=str(row.pk),
                object_repr=str(row)[:200],
                action_flag=2,
                change_message=run.entry,
            )
            for row in done
        )
    return len(done)


def _change_one(run: Run, row: Confirmation) -> bool:
    try:
        with database.atomic():
            return _CHANGES[run.action](row)
    except OperationalError:
        raise
    except Exception:
        failures.report("A confirmation of a bulk run failed and was skipped")
        return False

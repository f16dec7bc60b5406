"""Messages sent by hand, for an account that staff or a command chose."""

from datetime import timedelta
from typing import Any

from django.db.models import Q

from .. import database, failures
from ..accounts import Account
from ..deliveries import outbox, states
from ..limits import cooldown
from ..models import Confirmation, Delivery
from ..outcomes import Origin, Outcome, Reason
from .requests import Result, copy_for, outcome_without_pending, pending_accounts, queue


@failures.discreet
@database.retry_on_deadlock
def send_to(
    account: Account,
    *,
    client: str = "",
    dialect: str = "",
    redirect: str = "",
    origin: Origin = Origin.REQUEST,
) -> Result:
    """Queue the message for an account that staff or a command chose; the cooldown applies.

    Without ``client``, ``dialect`` and ``redirect``, those of the latest delivery are reused, so
    that the link is the same and leads to the same place. If the slot was taken for another
    account with this address, the delivery waits for the next one.
    """
    if not pending_accounts([account]):
        return Result(outcome_without_pending([account]))
    now = database.now()
    named = {"client": client, "dialect": dialect, "redirect": redirect}
    way = named if any(named.values()) else _usual_way(account)
    draft = Delivery(**way, origin=origin, slot_at=now)
    with database.atomic():
        if wait := cooldown.take(account.mailbox.canonical, account.cooldown, now):
            if not _may_wait(account):
                return Result(Outcome.COOLING_DOWN, retry_after=wait)
            delivery = copy_for(draft, account, reason=Reason.TURN)
            outbox.queue(delivery, timedelta(seconds=wait))
        else:
            queue(draft, [account])
    return Result(Outcome.SENT, account.address, account.address)


def _usual_way(account: Account) -> dict[str, Any]:
    """Return the client and the landing of the newest message, or the confirmation's client."""
    ours = Confirmation.objects.filter(
        Q(account_id=account.user.pk, fingerprint=account.mailbox.fingerprint)
        | Q(pk=account.former_id or 0)
    )
    newest = Delivery.objects.filter(confirmation__in=ours).order_by("-asked_at", "-pk")
    way = newest.values("client", "dialect", "redirect", "client_state", "payload").first()
    return dict(way) if way else {"client": ours.values_list("client", flat=True).first() or ""}


def _may_wait(account: Account) -> bool:
    """Return whether other accounts have the newest slot or a message under way, but not this."""
    last = cooldown.rows(account.mailbox).values("last_at")
    sharing = Delivery.objects.filter(
        Q(slot_at__in=last) | states.IS_QUEUED | states.IS_CLAIMED,
        confirmation__fingerprint=account.mailbox.fingerprint,
    )
    busy = set(sharing.values_list("confirmation__account_id", flat=True))
    return bool(busy) and account.user.pk not in busy

"""Links: inspect one, confirm with it, renew it, or disown the sign-up behind it."""

from dataclasses import dataclass, field, replace

from .. import accounts, conf, database, failures, redaction, tokens
from ..accounts import Account
from ..limits import cooldown
from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, Outcome, Standing, Verdict
from ..signals import confirmed
from .requests import Result, names, queue
from .signup import account_of, locked_account_of, withdraw


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened link: the verdict and, if it is genuine, its delivery and account."""

    verdict: Verdict
    delivery: Delivery | None = None
    account: Account | None = None
    #: The token of a genuine link, without the text that programs added to it.
    token: str = field(default="", repr=False)

    @property
    def confirmation(self) -> Confirmation | None:
        """The confirmation behind a genuine link."""
        return self.delivery.confirmation if self.delivery else None


@dataclass(frozen=True, slots=True)
class Named:
    """The client and the identity that a vendor's call names with the token; None if absent."""

    client: str | None = None
    identity: str | None = field(default=None, repr=False)

    def fits(self, delivery: Delivery, account: Account | None) -> bool:
        """Return whether delivery and account are those of the named client and identity."""
        if self.client is not None and self.client != delivery.client:
            return False
        return self.identity is None or (account is not None and names(self.identity, account))


_NOTHING = Named()


@failures.discreet
def inspect(token: str, named: Named = _NOTHING) -> Opened:
    """Return the verdict on ``token``, or on a text that contains it, without changing anything.

    FOREIGN: no stored delivery has the token, or the delivery does not fit ``named``. Otherwise
    the token is genuine. It is READY, EXPIRED, ALREADY (the address is confirmed) or DEAD
    (withdrawn, replaced, the address changed, the account deactivated or gone).
    """
    read = {tokens.digest(reading): reading for reading in tokens.candidates(token)}
    if not read:
        return Opened(Verdict.FOREIGN)
    delivery = (
        Delivery.objects.filter(token_digest__in=read)
        .select_related("confirmation")
        .order_by("-pk")
        .first()
    )
    if delivery is None or delivery.confirmation is None:
        return Opened(Verdict.FOREIGN)
    token = redaction.Secret(read[delivery.token_digest])
    account = account_of(delivery.confirmation)
    if not named.fits(delivery, account):
        return Opened(Verdict.FOREIGN)
    verdict = _verdict(token, delivery, delivery.confirmation, account)
    return Opened(verdict, delivery, account, token)


def _verdict(
    token: str, delivery: Delivery, confirmation: Confirmation, account: Account | None
) -> Verdict:
    if account is None or confirmation.parsed is None:
        return Verdict.DEAD
    canonical = confirmation.parsed.canonical
    generation = delivery.generation or 0
    if not tokens.matches(token, confirmation.selector, generation, canonical):
        return Verdict.DEAD
    if confirmation.state == ConfirmationState.CONFIRMED:
        return Verdict.ALREADY
    if account.standing is not Standing.PENDING:
        # The host's store may return 'confirmed' while our row is still pending.
        return Verdict.ALREADY if account.standing is Standing.CONFIRMED else Verdict.DEAD
    replaced = conf.get().LINK_POLICY == "newest" and generation < confirmation.generation
    if replaced or confirmation.state != ConfirmationState.PENDING:
        return Verdict.DEAD
    if delivery.link_expires_at is None or delivery.link_expires_at <= database.now():
        return Verdict.EXPIRED
    return Verdict.READY


@failures.discreet
def confirm(token: str, named: Named = _NOTHING) -> Opened:
    """Use ``token`` to confirm: CONFIRMED for exactly one caller, else the result of ``inspect``.

    The signal ``confirmed`` is sent inside the transaction.
    """
    opened = inspect(token, named)
    if opened.verdict is not Verdict.READY:
        return opened
    if opened.confirmation and _confirm(opened.confirmation, by_hand=False):
        return replace(opened, verdict=Verdict.CONFIRMED)
    return inspect(token)


@failures.discreet
def confirm_by_hand(confirmation: Confirmation) -> bool:
    """Confirm without a link, as staff may.

    Return False if nothing is pending or the account store refuses.
    """
    return _confirm(confirmation, by_hand=True)


def _confirm(confirmation: Confirmation, *, by_hand: bool) -> bool:
    """Confirm. The account is locked before it is read, so that it cannot change in between."""
    with database.atomic():
        account = locked_account_of(confirmation)
        if account is None or account.standing is not Standing.PENDING:
            return False
        # The selector is part of the condition, since a withdrawal in between replaces it.
        won = Confirmation.objects.filter(
            pk=confirmation.pk, state=ConfirmationState.PENDING, selector=confirmation.selector
        ).update(state=ConfirmationState.CONFIRMED, confirmed_at=database.now(), by_hand=by_hand)
        if not won:
            return False
        if not accounts.store().confirm(account):
            database.roll_back()
            return False
        confirmation.refresh_from_db(using=database.using())
        confirmed.send(Confirmation, confirmation=confirmation, user=account.user)
    return True


@failures.discreet
@database.retry_on_deadlock
def renew(token: str) -> Result | None:
    """Send a new link in place of an expired one.

    Return None unless ``token`` is genuine and expired, and its account is still pending.
    """
    opened = inspect(token)
    delivery, confirmation, account = opened.delivery, opened.confirmation, opened.account
    if opened.verdict is not Verdict.EXPIRED or not (delivery and confirmation and account):
        return None
    delivery.slot_at = now = database.now()
    with database.atomic():
        if wait := cooldown.take(account.mailbox.canonical, account.cooldown, now):
            return Result(Outcome.COOLING_DOWN, retry_after=wait)
        # The account is locked after the cooldown, as everywhere: another order could deadlock.
        current = locked_account_of(confirmation)
        if current is None or current.standing is not Standing.PENDING:
            database.roll_back()
            return None
        queue(delivery, [current])
    return Result(Outcome.SENT, current.address, current.address)


@failures.discreet
@database.retry_on_deadlock
def disown(token: str) -> Opened:
    """Withdraw the confirmation behind ``token``, for a recipient who did not sign up.

    Only READY and EXPIRED links are withdrawn. Return the link with its verdict before that, or
    with the current one if another request was faster.
    """
    opened = inspect(token)
    confirmation = opened.confirmation
    if confirmation and opened.verdict in {Verdict.READY, Verdict.EXPIRED}:
        with database.atomic():
            if withdraw(confirmation):
                row = Confirmation.objects.filter(pk=confirmation.pk)
                row.update(disowned_at=database.now())
                return opened
        return inspect(token)
    return opened

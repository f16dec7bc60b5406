"""``resend_confirmation suppress``, ``lift``, ``confirm``, ``withdraw`` and ``reopen``."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

from django.core.management import CommandError
from django.db.models import Q

from .. import addresses, engine, redaction
from ..addresses import Address
from ..engine import Reopening
from ..engine.requests import find_accounts
from ..limits import suppression
from ..models import Confirmation, Suppression
from ..outcomes import ConfirmationState
from .console import Console, is_agreed

SUPPRESS = """\
Suppress an address: it gets no more messages. The reason is shown in the admin; addresses in it
are left out. The exit code is 1 if the address is suppressed already."""

LIFT = """\
Lift the suppression of an address, so that it gets messages again. The exit code is 1 if it is
not suppressed."""

CONFIRM = """\
Confirm the address of an account without a link. The exit code is 1 if nothing is pending, or
several accounts have the address."""

WITHDRAW = """\
Withdraw the pending confirmation of an account: its links no longer work, and no more messages
are sent. The exit code is 1 if nothing is pending, or several accounts have the address."""

REOPEN = """\
Make a confirmation pending again that was withdrawn, or that staff confirmed by hand. Its old
links stay invalid: send the message again. The exit code is 1 if that is not possible, with the
reason."""

#: Texts of the results for operators.
WORDS = {
    "suppressed": "suppressed",
    "already_suppressed": "already suppressed",
    "lifted": "lifted",
    "not_suppressed": "not suppressed",
    "confirmed": "confirmed",
    "withdrawn": "withdrawn",
    "opened": "opened again",
    "invalid": "not a valid address or user name",
    "unknown": "no matching account",
    "several": "several accounts have this address; give a user name",
    "not_pending": "no pending confirmation",
    "not_ended": "neither withdrawn nor confirmed by hand",
    "disowned": "disowned by the recipient",
    "lasting": "the account store cannot undo it",
    "changed": "the account is deactivated, confirmed in another way, or has another address",
}
_DONE = {"suppressed", "lifted", "confirmed", "withdrawn", "opened"}

_IS_PENDING = Q(state=ConfirmationState.PENDING)


def _confirm(confirmation: Confirmation) -> str:
    return "confirmed" if engine.confirm_by_hand(confirmation) else "not_pending"


def _withdraw(confirmation: Confirmation) -> str:
    return "withdrawn" if engine.withdraw(confirmation, by_hand=True) else "not_pending"


def _reopen(confirmation: Confirmation) -> str:
    return engine.open_again(confirmation).value


#: Of each subcommand with an identity: its rows, its action, the result without rows, the question.
_ACTIONS: dict[str, tuple[Q, Callable[[Confirmation], str], str, str]] = {
    "confirm": (_IS_PENDING, _confirm, "not_pending", "Confirm {} by hand?"),
    "withdraw": (_IS_PENDING, _withdraw, "not_pending", "Withdraw the confirmation of {}?"),
    "reopen": (~_IS_PENDING, _reopen, Reopening.NOT_ENDED.value, "Make {} pending again?"),
}
SUBCOMMANDS = ("suppress", "lift", *_ACTIONS)


def address(text: str) -> Address:
    """Return the address that ``text`` is."""
    if (parsed := Address.parse(text.strip(addresses.BLANKS))) is None:
        raise ArgumentTypeError("not an e-mail address")
    return parsed


def add_to(add: Callable[[str, str, str], ArgumentParser]) -> None:
    """Add the subcommands and their options."""
    suppress = add("suppress", "stop messages to an address", SUPPRESS)
    suppress.add_argument("address", type=address, metavar="ADDRESS", help="e-mail address")
    suppress.add_argument("--reason", default="", metavar="TEXT", help="reason, for the admin")
    lift = add("lift", "lift the suppression of an address", LIFT)
    lift.add_argument("address", type=address, metavar="ADDRESS", help="e-mail address")
    _add_yes(lift)
    for name, brief, description in (
        ("confirm", "confirm an address without a link", CONFIRM),
        ("withdraw", "withdraw a confirmation", WITHDRAW),
        ("reopen", "make a confirmation pending again", REOPEN),
    ):
        parser = add(name, brief, description)
        parser.add_argument("identity", metavar="IDENTITY", help="address or user name")
        _add_yes(parser)


def _add_yes(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask before it begins")


def carry_out(options: dict[str, Any], console: Console) -> None:
    """Run the subcommand; raise CommandError if nothing was changed."""
    name, found = options["subcommand"], options.get("address")
    if found is None:
        identity = options["identity"]
        result = _act(name, identity.strip(addresses.BLANKS), options)
        console.put(f"{identity}: {WORDS[result]}", identity=identity, result=result)
    else:
        result = _suppress(found, options) if name == "suppress" else _lift(found, options)
        console.put(f"{found.stored}: {WORDS[result]}", address=found.stored, result=result)
    if result not in _DONE:
        raise CommandError("Nothing was changed.")


def _suppress(known: Address, options: dict[str, Any]) -> str:
    reason = redaction.without_addresses(options["reason"], "")
    if suppression.is_suppressed(known):
        return "already_suppressed"
    suppression.suppress(known, Suppression.Why.BY_HAND, reason)
    return "suppressed"


def _lift(known: Address, options: dict[str, Any]) -> str:
    rows = suppression.rows(known)
    if not rows.exists():
        return "not_suppressed"
    _ask(options, f"Lift the suppression of {known.stored}?")
    rows.delete()
    return "lifted"


def _act(name: str, identity: str, options: dict[str, Any]) -> str:
    condition, act, nothing, question = _ACTIONS[name]
    if not identity or len(identity) > addresses.MAX_LENGTH or not addresses.is_clean(identity):
        return "invalid"
    if not (accounts := [each for each in find_accounts(identity) if each.parsed]):
        return "unknown"
    theirs = [
        Q(account_id=each.user.pk, fingerprint=each.mailbox.fingerprint) | Q(pk=each.former_id or 0)
        for each in accounts
    ]
    rows = list(Confirmation.objects.filter(condition, reduce(or_, theirs))[:2])
    if len(rows) != 1:
        return "several" if rows else nothing
    _ask(options, question.format(rows[0].address))
    return act(rows[0])


def _ask(options: dict[str, Any], question: str) -> None:
    """Ask, if there is somebody to ask. Raise CommandError without a yes."""
    try:
        is_wanted = options["yes"] or is_agreed(f"{question} [y/N] ")
    except KeyboardInterrupt:
        raise CommandError("Stopped by SIGINT.", returncode=130) from None
    if not is_wanted:
        raise CommandError("Nothing was changed.")

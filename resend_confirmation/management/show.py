"""``resend_confirmation show``: everything about one person, as the admin shows it."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.core.management import CommandError
from django.utils import translation

from .. import accounts, addresses
from ..addresses import Address
from ..engine import records
from ..engine.explanation import cooldown_until, explain
from ..engine.requests import find_accounts
from ..engine.sentences import sentence
from ..engine.signup import account_of, moved_account_of
from ..limits import suppression
from ..models import Confirmation, Delivery, RequestRecord
from ..outcomes import Reason
from .console import Console

#: Newest deliveries of each confirmation, and newest requests.
DELIVERIES = REQUESTS = 10

SHOW = f"""\
Show the account that an address or a user name belongs to, its confirmations with the reason
why a message did not arrive, and the {DELIVERIES} newest deliveries of each. An address that an
account had before is found too. Then show the {REQUESTS} newest requests in which callers typed
this identity, also those that were refused. Tokens and links are not shown.

With --json, print one object for each account, and one with the requests if there are any. The
exit code is 1 if there is no such account."""

#: Columns that are shown as they are.
_OF_CONFIRMATION = (
    *("address", "state", "client", "language", "time_zone", "requested_at", "confirmed_at"),
    *("disowned_at", "expires_at", "sends", "last_sent_at"),
)
_OF_DELIVERY = (
    *("asked_at", "state", "reason", "dialect", "client", "attempts", "not_before", "sent_at"),
    *("ended_at", "error_class", "error_code", "error_text", "message_id", "provider_id"),
)


def add_to(add: Callable[[str, str, str], ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = add("show", "show everything about one person", SHOW)
    parser.add_argument("identity", metavar="IDENTITY", help="address or user name")


def show(identity: str, console: Console) -> None:
    """Print the accounts and requests of ``identity``; raise CommandError without an account."""
    identity = identity.strip(addresses.BLANKS)
    is_text = 0 < len(identity) <= addresses.MAX_LENGTH and addresses.is_clean(identity)
    users = _users(identity) if is_text else []
    # Texts of the command are not translated.
    with translation.override(None):
        for user in users:
            facts = _facts(user)
            _put(console, facts, _lines(facts))
        if is_text and (requests := [_of_record(each) for each in _records(identity)]):
            lines = (_request(each) for each in requests)
            _put(console, {"identity": identity, "requests": requests}, lines)
    if not users:
        raise CommandError("No account has this address or user name, or had this address.")


def _put(console: Console, facts: dict[str, Any], lines: Iterator[str]) -> None:
    if console.as_json:
        console.put("", **_plain(facts))
    for line in lines:
        console.say(line)


def _users(identity: str) -> list[Any]:
    """Return the users with this address now or before, or else with this user name."""
    users = {account.user.pk: account.user for account in find_accounts(identity)}
    if address := Address.parse(identity):
        rows = Confirmation.objects.filter(fingerprint=address.fingerprint)
        for row in rows.select_related("account").order_by("pk"):
            users.setdefault(row.account_id, row.account)
    return list(users.values())


def _facts(user: Any) -> dict[str, Any]:
    address: str = getattr(user, user.get_email_field_name()) or ""
    account = accounts.of(user.pk, address)
    rows = Confirmation.objects.filter(account=user.pk).order_by("-requested_at", "-pk")
    return {
        "account": user.get_username(),
        "address": address,
        "is_active": user.is_active,
        "standing": account.standing.value if account else None,
        "confirmations": [_of_confirmation(row) for row in rows],
    }


def _of_confirmation(row: Confirmation) -> dict[str, Any]:
    account = account_of(row) or moved_account_of(row)
    # Messages go to the account's current address.
    address = account.parsed if account else row.parsed
    newest = row.deliveries.order_by("-asked_at", "-pk")
    deliveries = [_of_delivery(each) for each in newest[:DELIVERIES]]
    found = explain(row)
    return {
        **{name: getattr(row, name) for name in _OF_CONFIRMATION},
        "dialect": deliveries[0]["dialect"] if deliveries else "",
        "suppressed_since": suppression.since(address) if address else None,
        "cooldown_until": cooldown_until(address) if address else None,
        "explanation": found.kind.value,
        "sentence": sentence(found, _time),
        "remedies": [remedy.value for remedy in found.remedies],
        "deliveries": deliveries,
    }


def _of_delivery(row: Delivery) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _OF_DELIVERY}


def _records(identity: str) -> list[RequestRecord]:
    return list(records.of(identity).select_related("delivery")[:REQUESTS])


def _of_record(record: RequestRecord) -> dict[str, Any]:
    """Return a request; its state is that of its delivery, and ``refused`` without one."""
    delivery = record.delivery
    return {
        "asked_at": record.asked_at,
        "dialect": record.dialect,
        "client": record.client,
        "state": delivery.state if delivery else "refused" if record.reason else "",
        "reason": delivery.reason if delivery else record.reason,
        "result": records.describe(record),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    is_active = "" if facts["is_active"] else ", deactivated"
    yield f"account {facts['account']}: {facts['standing'] or 'no valid address'}{is_active}"
    if facts["address"]:
        yield f"  address: {facts['address']}"
    for each in facts["confirmations"]:
        yield f"  confirmation of {each['address']}: {each['state']}"
        yield f"    {each['sentence']}"
        for name, value in each.items():
            if value and name not in {"address", "state", "sentence", "explanation", "deliveries"}:
                yield f"    {name.replace('_', ' ')}: {_text(value)}"
        for delivery in each["deliveries"]:
            yield f"    {_delivery(delivery)}"


def _delivery(facts: dict[str, Any]) -> str:
    reason = str(Reason(facts["reason"]).label)
    error = f"{facts['error_class']} {facts['error_text'] or facts['error_code']}".strip()
    parts = [f"delivery {_time(facts['asked_at'])}: {facts['state']}", reason, error]
    return ", ".join(part for part in parts if part)


def _request(facts: dict[str, Any]) -> str:
    parts = [f"request {_time(facts['asked_at'])}: {facts['result']}"]
    parts += [f"{name} {facts[name]}" for name in ("dialect", "client") if facts[name]]
    return ", ".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return _time(value) if isinstance(value, datetime) else str(value)


def _time(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes")

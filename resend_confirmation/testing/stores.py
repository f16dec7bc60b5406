"""The contract of account stores: tests that a host runs on its own ``AccountStore``."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connections, router, transaction
from django.test.utils import CaptureQueriesContext

from .. import accounts, addresses, clients, engine
from ..accounts import Account
from ..addresses import Address
from ..clients import Client
from ..engine.requests import ResendRequest, find_accounts, pending_accounts
from ..models import Confirmation, Cooldown
from ..outcomes import Outcome, Standing, Verdict

#: Identities that match no account.
NOBODY = ["", " ", "@", "nobody", "nobody@example.org", "'; --", "%", "ÿ" * 255, "a" * 255]


class AccountStoreContract:
    """Tests for every account store. Inherit from it and define how your site makes accounts.

    It tests the store that ``ACCOUNTS`` names. With pytest, mark the class ``django_db``; with
    Django's own runner, inherit from ``django.test.TestCase`` as well. E-mail has to go to
    Django's locmem backend; both runners use it by default.
    """

    def make_pending(self, username: str, address: str) -> Any:
        """Create a pending user: sign up with ``address`` as your site does."""
        raise NotImplementedError

    def make_confirmed(self, username: str, address: str) -> Any:
        """Create a user and confirm ``address`` as your site does."""
        raise NotImplementedError

    def make_without_address(self, username: str) -> Any:
        """Create a user without an address, or return None if your site has no such users."""
        raise NotImplementedError

    def deactivate(self, user: Any) -> None:
        """Deactivate an account as your staff do."""
        user.is_active = False
        user.save()

    def change_address(self, user: Any, address: str) -> None:
        """Give ``user`` another address, unconfirmed."""
        setattr(user, user.get_email_field_name(), address)
        user.save()

    # Lookup

    def test_found_by_address(self) -> None:
        """An account is found by its address in any letter case, with all that the engine needs."""
        user = self.make_pending("jane", "jane@example.org")
        for typed in ("jane@example.org", "JANE@Example.org"):
            (account,) = find_accounts(typed)
            _equal(account.user.pk, user.pk, "the user")
            _equal(account.address, "jane@example.org", "the address")
            _equal(account.username, str(user.get_username()), "the user name")
            _equal(account.standing, Standing.PENDING, "the standing")

    def test_found_by_user_name(self) -> None:
        """An account is found by its user name, with one address to write to."""
        user = self.make_pending("jane", "jane@example.org")
        (account,) = find_accounts(str(user.get_username()))
        _equal((account.user.pk, account.address), (user.pk, "jane@example.org"), "the account")

    def test_user_names_are_no_addresses(self) -> None:
        """An identity that is an address matches by address only, never by user name."""
        self.make_pending("john@example.org", "jane@example.org")
        _equal(_addresses("john@example.org"), [], "a free address")
        self.make_confirmed("john", "john@example.org")
        _equal(_addresses("john@example.org"), ["john@example.org"], "the address in use")
        _equal(_addresses("jane@example.org"), ["jane@example.org"], "its address")

    def test_found_in_few_statements(self) -> None:
        """A lookup takes at most three statements, also for an unknown identity."""
        self.make_pending("jane", "jane@example.org")
        using = router.db_for_read(get_user_model())
        for typed in ("jane@example.org", "nobody@example.org"):
            with CaptureQueriesContext(connections[using]) as queries:
                list(accounts.store().find(addresses.read(typed)))
            assert 1 <= len(queries) <= 3, f"{len(queries)} statements to find {typed}"

    def test_unknown_identity(self) -> None:
        """An identity that matches no account finds nothing and raises no error."""
        self.make_pending("jane", "jane@example.org")
        for typed in NOBODY:
            _equal(find_accounts(typed), [], f"accounts that {typed[:20]!r} names")

    def test_several_of_one_address(self) -> None:
        """Accounts that share an address are all found."""
        users = [self.make_pending(name, "shared@example.org") for name in ("one", "two")]
        found = find_accounts("shared@example.org")
        _equal({a.user.pk for a in found}, {user.pk for user in users}, "the accounts")
        _equal({a.address for a in found}, {"shared@example.org"}, "their address")

    # Standings

    def test_confirmed(self) -> None:
        """An account that was confirmed has the standing CONFIRMED."""
        user = self.make_confirmed("jane", "jane@example.org")
        _equal(_standing(user, "jane@example.org"), Standing.CONFIRMED, "the standing")

    def test_deactivated(self) -> None:
        """A deactivated account is BLOCKED, whether its address was confirmed or not."""
        waiting = self.make_pending("jane", "jane@example.org")
        confirmed = self.make_confirmed("john", "john@example.org")
        self.deactivate(waiting)
        self.deactivate(confirmed)
        _equal(_standing(waiting, "jane@example.org"), Standing.BLOCKED, "the pending account")
        _equal(_standing(confirmed, "john@example.org"), Standing.BLOCKED, "the confirmed account")

    def test_get(self) -> None:
        """An account is read by user and address. The result is None if either does not exist."""
        user = self.make_pending("jane", "jane@example.org")
        account = _get(user.pk, "JANE@example.org")
        assert account is not None, "the account was not read"
        _equal((account.user.pk, account.address), (user.pk, "jane@example.org"), "the account")
        _equal(_get(user.pk, "john@example.org"), None, "another address")
        user.delete()
        _equal(_get(account.user.pk, "jane@example.org"), None, "a deleted user")

    def test_changed_address(self) -> None:
        """A link sent to the former address does not confirm the new one."""
        user = self.make_pending("jane", "jane@example.org")
        token = self._token(user, "jane@example.org")
        self.change_address(user, "new@example.org")
        engine.confirm(token)
        _differs(_standing(user, "new@example.org"), Standing.CONFIRMED, "the new address")

    def test_waits_under_another_address(self) -> None:
        """A pending user stays pending after a change of address; resends use the new one."""
        user = self.make_pending("jane", "jane@example.org")
        token = self._token(user, "jane@example.org")
        self.change_address(user, "new@example.org")
        _equal(_standing(user, "new@example.org"), Standing.PENDING, "the standing")
        listed = [a.address for a in accounts.store().pending() if a.user.pk == user.pk]
        _equal(listed, ["new@example.org"], "a bulk resend")
        newer = self._token(user, "new@example.org")
        _equal(engine.confirm(token).verdict, Verdict.DEAD, "the old link")
        _equal(engine.confirm(newer).verdict, Verdict.CONFIRMED, "the new link")
        _equal(_standing(user, "new@example.org"), Standing.CONFIRMED, "after the new link")

    def test_blocked_under_another_address(self) -> None:
        """A withdrawn or deactivated user stays blocked after each change of address."""
        withdrawn = self.make_pending("jane", "jane@example.org")
        self._token(withdrawn, "jane@example.org")
        for row in Confirmation.objects.filter(account=withdrawn):
            engine.withdraw(row)
        deactivated = self.make_pending("john", "john@example.org")
        self._token(deactivated, "john@example.org")
        self.deactivate(deactivated)
        for user in (withdrawn, deactivated):
            for address in (f"new.{user.pk}@example.org", f"newer.{user.pk}@example.org"):
                self.change_address(user, address)
                _equal(_standing(user, address), Standing.BLOCKED, "the standing")
                _equal(_resend(address), Outcome.BLOCKED, "a resend")
        _equal(list(accounts.store().pending()), [], "a bulk resend")

    def test_without_an_address(self) -> None:
        """A user without an address gets no message, not even by a bulk resend."""
        if self.make_without_address("jane") is None:
            return
        _equal(pending_accounts(find_accounts("jane")), [], "the pending accounts")
        for account in accounts.store().pending():
            _differs(engine.send_to(account).ending, Outcome.SENT, "a bulk resend")

    # Confirming

    def test_confirm(self) -> None:
        """A resend sends a link that confirms once; later clicks and resends report that."""
        user = self.make_pending("jane", "jane@example.org")
        token = self._token(user, "jane@example.org")
        _equal(engine.confirm(token).verdict, Verdict.CONFIRMED, "the first press")
        _equal(_standing(user, "jane@example.org"), Standing.CONFIRMED, "the standing")
        _equal(engine.confirm(token).verdict, Verdict.ALREADY, "the second press")
        _equal(_resend("jane@example.org"), Outcome.CONFIRMED, "the next resend")

    def test_confirm_is_undone_with_the_transaction(self) -> None:
        """``confirm`` writes in the caller's transaction, so that a rollback undoes it."""
        user = self.make_pending("jane", "jane@example.org")
        account = _account(user, "jane@example.org")
        with transaction.atomic(using=router.db_for_write(Confirmation)):
            accounts.store().confirm(account)
            transaction.set_rollback(True, using=router.db_for_write(Confirmation))
        _equal(_standing(user, "jane@example.org"), Standing.PENDING, "the standing")

    def test_confirm_does_not_revive(self) -> None:
        """A deactivated account stays so, even if its link was opened before or is used later."""
        user = self.make_pending("jane", "jane@example.org")
        token = self._token(user, "jane@example.org")
        read_before = engine.inspect(token).confirmation
        assert read_before is not None, "the link has no confirmation"
        self.deactivate(user)
        engine.confirm_by_hand(read_before)
        _equal(_standing(user, "jane@example.org"), Standing.BLOCKED, "a concurrent confirmation")
        worth = engine.confirm(token).verdict
        assert worth in {Verdict.DEAD, Verdict.ALREADY}, f"the old link is {worth!r}"
        _equal(_standing(user, "jane@example.org"), Standing.BLOCKED, "after the link")
        _equal(_resend("jane@example.org"), Outcome.BLOCKED, "the next resend")

    def test_confirm_is_for_one_address(self) -> None:
        """A link opened before the address changed does not confirm the new address."""
        user = self.make_pending("jane", "jane@example.org")
        read_before = engine.inspect(self._token(user, "jane@example.org")).confirmation
        assert read_before is not None, "the link has no confirmation"
        account = _account(user, "jane@example.org")
        self.change_address(user, "new@example.org")
        _equal(engine.confirm_by_hand(read_before), False, "a concurrent confirmation")
        with transaction.atomic(using=router.db_for_write(Confirmation)):
            accounts.store().lock(user.pk)
            _equal(accounts.store().confirm(account), False, "the mark")
        _differs(_standing(user, "new@example.org"), Standing.CONFIRMED, "the new address")

    def test_confirm_one_of_several(self) -> None:
        """A link confirms only its own account if several share the address."""
        users = [self.make_pending(name, "shared@example.org") for name in ("one", "two")]
        _equal(_resend("shared@example.org"), Outcome.SENT, "the resend")
        (token,) = self._arrived(1)
        account = engine.inspect(token).account
        assert account is not None, "the link has no account"
        _equal(engine.confirm(token).verdict, Verdict.CONFIRMED, "its link")
        for user in users:
            is_confirmed = _standing(user, "shared@example.org") is Standing.CONFIRMED
            _equal(is_confirmed, user.pk == account.user.pk, "whether it is confirmed")

    # Bulk resend

    def test_pending(self) -> None:
        """Every pending account is listed once, and no other account is."""
        waiting = {self.make_pending(n, f"{n}@example.org").pk for n in ("jane", "jim", "joe")}
        self.make_confirmed("confirmed", "confirmed@example.org")
        self.deactivate(self.make_pending("gone", "gone@example.org"))
        listed = [a for a in accounts.store().pending() if a.parsed]
        _equal(sorted(a.user.pk for a in listed), sorted(waiting), "the accounts")
        for account in listed:
            _equal(_standing(account.user, account.address), Standing.PENDING, account.address)

    # Helpers

    def _token(self, user: Any, address: str) -> str:
        """Resend to ``address`` and return the token in the message, which must be for ``user``."""
        _equal(_resend(address), Outcome.SENT, "the resend")
        (token,) = self._arrived(1)
        account = engine.inspect(token).account
        assert account is not None, "the link has no account"
        _equal(account.user.pk, user.pk, "the link's account")
        return token

    def _arrived(self, count: int) -> list[str]:
        """Send what is due and return the tokens in exactly ``count`` messages."""
        outbox: list[Any] = mail.outbox
        before = len(outbox)
        while not engine.drain().idle:
            pass
        links = [re.search(r"https?://\S+[?&]token=\S+", str(m.body)) for m in outbox[before:]]
        _equal(len([link for link in links if link]), count, "messages with a link")
        return [parse_qs(urlsplit(link[0]).query)["token"][0] for link in links if link]


def _resend(address: str) -> Any:
    """Request a message as a dialect does, without cooldowns, and return the ending."""
    Cooldown.objects.all().delete()
    client = clients.default() or Client(name="contract")
    return engine.resend(ResendRequest(identity=address, client=client)).ending


def _addresses(typed: str) -> list[str]:
    """Return the addresses found for ``typed``: the store and the engine must agree."""
    found = [a.address for a in accounts.store().find(addresses.read(typed))]
    _equal([a.address for a in find_accounts(typed)], found, "what the engine finds")
    return found


def _get(user_id: Any, text: str) -> Account | None:
    address = Address.parse(text)
    return accounts.store().get(user_id, address) if address else None


def _account(user: Any, address: str) -> Account:
    account = _get(user.pk, address)
    assert account is not None, f"the store does not know {address}"
    return account


def _standing(user: Any, address: str) -> Standing:
    return _account(user, address).standing


def _equal(is_: object, expected: object, what: str) -> None:
    assert is_ == expected, f"{what}: {is_!r}, expected {expected!r}"


def _differs(is_: object, forbidden: object, what: str) -> None:
    assert is_ != forbidden, f"{what}: {is_!r}"

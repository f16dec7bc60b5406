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
from ..engine import ResendRequest, link, matching
from ..models import Confirmation, Cooldown
from ..outcomes import Outcome, Standing, Verdict

#: What people and programs type, and nobody is called.
NOBODY = ["", " ", "@", "nobody", "nobody@example.org", "'; --", "%", "ÿ" * 255, "a" * 255]


class AccountStoreContract:
    """What every store keeps to; inherit it, and say how your site makes accounts.

    It tests the store that ``ACCOUNTS`` names. With pytest mark the class ``django_db``; with
    Django's own runner inherit from ``django.test.TestCase`` as well. Mail has to go to Django's
    locmem backend, as both see to.
    """

    def make_pending(self, username: str, address: str) -> Any:
        """A user who signed up with ``address``, as your site signs up, and waits."""
        raise NotImplementedError

    def make_confirmed(self, username: str, address: str) -> Any:
        """A user who confirmed ``address``, as your site confirms."""
        raise NotImplementedError

    def make_without_address(self, username: str) -> Any:
        """A user without an address; None where your site has none such."""
        raise NotImplementedError

    def deactivate(self, user: Any) -> None:
        """Do what your staff do to an account that may not be used any more."""
        user.is_active = False
        user.save()

    def change_address(self, user: Any, address: str) -> None:
        """Give ``user`` another address, unconfirmed."""
        setattr(user, user.get_email_field_name(), address)
        user.save()

    # Finding

    def test_found_by_address(self) -> None:
        """An account is found by its address, in any case, with what the engine needs to know."""
        user = self.make_pending("jane", "jane@example.org")
        for typed in ("jane@example.org", "JANE@Example.org"):
            (account,) = matching.find(typed)
            _equal(account.user.pk, user.pk, "the user")
            _equal(account.address, "jane@example.org", "the address")
            _equal(account.username, str(user.get_username()), "the user name")
            _equal(account.standing, Standing.PENDING, "the standing")

    def test_found_by_user_name(self) -> None:
        """An account is found by its user name, and has one address to write to then."""
        user = self.make_pending("jane", "jane@example.org")
        (account,) = matching.find(str(user.get_username()))
        _equal((account.user.pk, account.address), (user.pk, "jane@example.org"), "the account")

    def test_user_names_are_no_addresses(self) -> None:
        """A user name that reads as an address finds nothing, whoever has that address."""
        self.make_pending("john@example.org", "jane@example.org")
        _equal(_addresses("john@example.org"), [], "while it has no owner")
        self.make_confirmed("john", "john@example.org")
        _equal(_addresses("john@example.org"), ["john@example.org"], "once it has one")
        _equal(_addresses("jane@example.org"), ["jane@example.org"], "the other's own address")

    def test_found_in_one_statement(self) -> None:
        """Finding takes one statement, for one who waits as for nobody."""
        self.make_pending("jane", "jane@example.org")
        using = router.db_for_read(get_user_model())
        for typed in ("jane@example.org", "nobody@example.org"):
            with CaptureQueriesContext(connections[using]) as queries:
                list(accounts.store().find(addresses.read(typed)))
            _equal(len(queries), 1, f"statements to find {typed}")

    def test_nobody(self) -> None:
        """Whatever is typed, what names nobody is nobody, without an error."""
        self.make_pending("jane", "jane@example.org")
        for typed in NOBODY:
            _equal(matching.find(typed), [], f"accounts that {typed[:20]!r} names")

    def test_several_of_one_address(self) -> None:
        """Accounts that share an address are all found, each for itself."""
        users = [self.make_pending(name, "shared@example.org") for name in ("one", "two")]
        found = matching.find("shared@example.org")
        _equal({a.user.pk for a in found}, {user.pk for user in users}, "the accounts")
        _equal({a.address for a in found}, {"shared@example.org"}, "their address")

    # Standings

    def test_confirmed(self) -> None:
        """Who confirmed is confirmed."""
        user = self.make_confirmed("jane", "jane@example.org")
        _equal(_standing(user, "jane@example.org"), Standing.CONFIRMED, "the standing")

    def test_deactivated(self) -> None:
        """Who was deactivated is blocked, whether the address was confirmed or not."""
        waiting = self.make_pending("jane", "jane@example.org")
        confirmed = self.make_confirmed("john", "john@example.org")
        self.deactivate(waiting)
        self.deactivate(confirmed)
        _equal(_standing(waiting, "jane@example.org"), Standing.BLOCKED, "who waited")
        _equal(_standing(confirmed, "john@example.org"), Standing.BLOCKED, "who had confirmed")

    def test_get(self) -> None:
        """An account is read by user and address, and is None when either is not there."""
        user = self.make_pending("jane", "jane@example.org")
        account = _get(user.pk, "JANE@example.org")
        assert account is not None, "the account was not read"
        _equal((account.user.pk, account.address), (user.pk, "jane@example.org"), "the account")
        _equal(_get(user.pk, "john@example.org"), None, "another address")
        user.delete()
        _equal(_get(account.user.pk, "jane@example.org"), None, "a deleted user")

    def test_changed_address(self) -> None:
        """A link that went to the former address does not confirm the new one."""
        user = self.make_pending("jane", "jane@example.org")
        token = self._token(user, "jane@example.org")
        self.change_address(user, "new@example.org")
        engine.confirm(token)
        _differs(_standing(user, "new@example.org"), Standing.CONFIRMED, "the new address")

    def test_waits_under_another_address(self) -> None:
        """Who waits and changes the address goes on waiting; the resend goes to the new one."""
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
        """Who was withdrawn or deactivated stays out under another address, and under the old."""
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
                _equal(_ask(address), Outcome.BLOCKED, "a resend")
        _equal(list(accounts.store().pending()), [], "a bulk resend")

    def test_without_an_address(self) -> None:
        """Who has no address is written to by no path."""
        user = self.make_without_address("jane")
        if user is None:
            return
        _equal(matching.pending(matching.find("jane")), [], "those to write to")
        for account in accounts.store().pending():
            _differs(engine.send_to(account).ending, Outcome.SENT, "a bulk resend")

    # Confirming

    def test_confirm(self) -> None:
        """A resend sends a link, the link confirms once, and then everybody knows."""
        user = self.make_pending("jane", "jane@example.org")
        token = self._token(user, "jane@example.org")
        _equal(engine.confirm(token).verdict, Verdict.CONFIRMED, "the first press")
        _equal(_standing(user, "jane@example.org"), Standing.CONFIRMED, "the standing")
        _equal(engine.confirm(token).verdict, Verdict.ALREADY, "the second press")
        _equal(_ask("jane@example.org"), Outcome.CONFIRMED, "the next resend")

    def test_confirm_is_undone_with_the_transaction(self) -> None:
        """The host's mark is made in the transaction that calls: what undoes it undoes the mark."""
        user = self.make_pending("jane", "jane@example.org")
        account = _account(user, "jane@example.org")
        with transaction.atomic(using=router.db_for_write(Confirmation)):
            accounts.store().confirm(account)
            transaction.set_rollback(True, using=router.db_for_write(Confirmation))
        _equal(_standing(user, "jane@example.org"), Standing.PENDING, "the standing")

    def test_confirm_does_not_revive(self) -> None:
        """Who was deactivated since the account was read stays so, by an old link as well."""
        user = self.make_pending("jane", "jane@example.org")
        token = self._token(user, "jane@example.org")
        read_before = engine.inspect(token)
        self.deactivate(user)
        link.spend(read_before)
        _equal(_standing(user, "jane@example.org"), Standing.BLOCKED, "a press on its way")
        worth = engine.confirm(token).verdict
        assert worth in {Verdict.DEAD, Verdict.ALREADY}, f"the old link is {worth!r}"
        _equal(_standing(user, "jane@example.org"), Standing.BLOCKED, "after the link")
        _equal(_ask("jane@example.org"), Outcome.BLOCKED, "the next resend")

    def test_confirm_is_for_one_address(self) -> None:
        """A press on its way does not confirm an address that changed since it was read."""
        user = self.make_pending("jane", "jane@example.org")
        read_before = engine.inspect(self._token(user, "jane@example.org"))
        account = _account(user, "jane@example.org")
        self.change_address(user, "new@example.org")
        _equal(link.spend(read_before), False, "a press on its way")
        with transaction.atomic(using=router.db_for_write(Confirmation)):
            accounts.store().lock(user.pk)
            _equal(accounts.store().confirm(account), False, "the mark")
        _differs(_standing(user, "new@example.org"), Standing.CONFIRMED, "the new address")

    def test_confirm_one_of_several(self) -> None:
        """Of the accounts that share an address a link confirms the one that it was made for."""
        users = [self.make_pending(name, "shared@example.org") for name in ("one", "two")]
        _equal(_ask("shared@example.org"), Outcome.SENT, "the resend")
        (token,) = self._arrived(1)
        account = engine.inspect(token).account
        assert account is not None, "the link is nobody's"
        _equal(engine.confirm(token).verdict, Verdict.CONFIRMED, "its link")
        for user in users:
            standing = _standing(user, "shared@example.org")
            is_its = user.pk == account.user.pk
            _equal(standing is Standing.CONFIRMED, is_its, "whether it is confirmed")

    # Everybody

    def test_pending(self) -> None:
        """Those who wait are all listed, once each, and nobody else."""
        waiting = {self.make_pending(n, f"{n}@example.org").pk for n in ("jane", "jim", "joe")}
        self.make_confirmed("confirmed", "confirmed@example.org")
        self.deactivate(self.make_pending("gone", "gone@example.org"))
        listed = [a for a in accounts.store().pending() if a.parsed]
        _equal(sorted(a.user.pk for a in listed), sorted(waiting), "the accounts")
        for account in listed:
            _equal(_standing(account.user, account.address), Standing.PENDING, account.address)

    # What the tests above stand on

    def _token(self, user: Any, address: str) -> str:
        """The token in the message that a resend for ``address`` sends to ``user``."""
        _equal(_ask(address), Outcome.SENT, "the resend")
        (token,) = self._arrived(1)
        account = engine.inspect(token).account
        assert account is not None, "the link is nobody's"
        _equal(account.user.pk, user.pk, "whose link it is")
        return token

    def _arrived(self, count: int) -> list[str]:
        """The tokens of the ``count`` messages that go out now."""
        outbox: list[Any] = mail.outbox
        before = len(outbox)
        while not engine.drain().idle:
            pass
        links = [re.search(r"https?://\S+[?&]token=\S+", str(m.body)) for m in outbox[before:]]
        _equal(len([link for link in links if link]), count, "messages with a link")
        return [parse_qs(urlsplit(link[0]).query)["token"][0] for link in links if link]


def _ask(address: str) -> Any:
    """What a dialect would be told, whatever was asked before."""
    Cooldown.objects.all().delete()
    client = clients.default() or Client(name="contract")
    return engine.resend(ResendRequest(identity=address, client=client)).ending


def _addresses(typed: str) -> list[str]:
    """What the store finds for ``typed`` by itself, and so what the engine finds."""
    found = [a.address for a in accounts.store().find(addresses.read(typed))]
    _equal([a.address for a in matching.find(typed)], found, "what the engine finds")
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

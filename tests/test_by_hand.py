"""The subcommands that do by hand what the admin does."""

import io
import json
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from resend_confirmation import start, withdraw
from resend_confirmation.management import by_hand
from resend_confirmation.models import Confirmation, Suppression

from .factories import PendingFactory, UserFactory, address_of

pytestmark = [pytest.mark.database, pytest.mark.django_db]


class Ran:
    """A call of the command, with its output and exit code."""

    def __init__(self, *arguments):
        out = StringIO()
        self.code, self.complaint = 0, ""
        try:
            call_command("resend_confirmation", *arguments, stdout=out)
        except CommandError as error:
            self.code, self.complaint = error.returncode, str(error)
        self.lines = out.getvalue().splitlines()


class Typed(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self):
        return True


def states():
    return list(Confirmation.objects.order_by("pk").values_list("state", flat=True))


def test_suppress_and_lift(settings):
    """An address in any spelling is suppressed once, with the reason, and lifted once."""
    ran = Ran("suppress", "Ann@example.com", "--reason", "asked by ann@example.com")
    assert (ran.lines, ran.code) == (["Ann@example.com: suppressed"], 0)
    row = Suppression.objects.get()
    assert (row.why, row.detail) == ("by_hand", "asked by ...")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key"
    ran = Ran("suppress", "ann@example.com")
    assert (ran.lines, ran.code) == (["ann@example.com: already suppressed"], 1)
    ran = Ran("lift", "ann@EXAMPLE.com", "--json")
    assert json.loads(ran.lines[0]) == {"address": "ann@EXAMPLE.com", "result": "lifted"}
    ran = Ran("lift", "ann@example.com")
    assert (ran.lines, ran.code) == (["ann@example.com: not suppressed"], 1)
    assert ran.complaint == "Nothing was changed."


@pytest.mark.parametrize("name", ["suppress", "lift"])
def test_not_an_address(name):
    """Anything but an address is an invalid argument, which is not repeated."""
    ran = Ran(name, "ann")
    assert (ran.code, ran.lines) == (1, [])
    assert ran.complaint == "Error: argument ADDRESS: not an e-mail address"


def test_confirm_withdraw_and_reopen(pending):
    """The three subcommands take a user name or an address, and undo one another."""
    assert Ran("confirm", "pending").lines == ["pending: confirmed"]
    assert states() == ["confirmed"]
    assert Ran("reopen", "pending@example.com").lines == ["pending@example.com: opened again"]
    ran = Ran("withdraw", "pending", "--json")
    assert json.loads(ran.lines[0]) == {"identity": "pending", "result": "withdrawn"}
    assert states() == ["withdrawn"]
    assert Ran("reopen", "pending").code == 0
    assert states() == ["pending"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("confirm", "nobody"), "nobody: no matching account"),
        (("withdraw", "x\x00"), "x\\x00: not a valid address or user name"),
        (("confirm", "mailless"), "mailless: no matching account"),
        (("confirm", "linked"), "linked: no pending confirmation"),
        (("withdraw", "none"), "none: no pending confirmation"),
        (("reopen", "linked"), "linked: neither withdrawn nor confirmed by hand"),
        (("reopen", "disowned"), "disowned: disowned by the recipient"),
        (("confirm", "gone"), "gone: no pending confirmation"),
        (("withdraw", "two@example.com"), f"two@example.com: {by_hand.WORDS['several']}"),
    ],
)
def test_not_done(arguments, line, clock):
    """Each result that changes nothing has its line, and the exit code 1."""
    for name, state in [("linked", "confirmed"), ("disowned", "withdrawn"), ("gone", "pending")]:
        user = PendingFactory.create(username=name)
        Confirmation.objects.filter(account=user).update(state=state)
    Confirmation.objects.filter(account__username="disowned").update(disowned_at=clock.now)
    get_user_model().objects.filter(username="gone").update(is_active=False)
    UserFactory.create(username="none")
    UserFactory.create(username="mailless", email="")
    for name in ("one", "two"):
        start(UserFactory.create(username=name, email="two@example.com"), send=False)
    before = states()
    ran = Ran(*arguments)
    assert (ran.lines, ran.code, ran.complaint) == ([line], 1, "Nothing was changed.")
    assert states() == before


def test_a_former_address(pending):
    """A confirmation of a former address, for which the account waits, is withdrawn too."""
    get_user_model().objects.update(email="new@example.com")
    assert Ran("withdraw", "pending").lines == ["pending: withdrawn"]


@pytest.mark.parametrize(
    ("typed", "code"), [("y\n", 0), ("n\n", 1), ("", 1)], ids=["yes", "no", "end of input"]
)
@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("confirm", "Confirm pending@example.com by hand? [y/N] "),
        ("withdraw", "Withdraw the confirmation of pending@example.com? [y/N] "),
        ("reopen", "Make pending@example.com pending again? [y/N] "),
        ("lift", "Lift the suppression of pending@example.com? [y/N] "),
    ],
)
def test_it_asks(pending, monkeypatch, capsys, name, question, typed, code):
    """At a terminal it asks first, and does nothing without a yes."""
    Suppression.objects.create(
        digest=address_of(pending.email).digest("suppression"),
        why="bounced",
        since="2026-01-01T00:00Z",
    )
    if name == "reopen":
        withdraw(Confirmation.objects.get())
    before = (states(), Suppression.objects.count())
    monkeypatch.setattr("sys.stdin", Typed(typed))
    ran = Ran(name, pending.email)
    assert (capsys.readouterr().out, ran.code) == (question, code)
    assert ((states(), Suppression.objects.count()) == before) == bool(code)
    if code:
        assert (ran.lines, ran.complaint) == ([], "Nothing was changed.")
        assert Ran(name, pending.email, "--yes").code == 0


def test_ctrl_c_at_the_question(pending, monkeypatch):
    """Ctrl-C at the question ends the command with the exit code of shells."""

    def interrupt(question):
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Typed(""))
    monkeypatch.setattr("builtins.input", interrupt)
    ran = Ran("withdraw", "pending")
    assert (ran.code, ran.complaint, states()) == (130, "Stopped by SIGINT.", ["pending"])

"""A request reaches the account with that address in any spelling, but no similar address."""

import pytest
from django.core import mail
from django.utils import timezone

from resend_confirmation import clients, engine, start
from resend_confirmation.accounts import ConfirmationStore
from resend_confirmation.engine import ResendRequest
from resend_confirmation.engine.requests import find_accounts
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import CONCEALED, Outcome, Standing, Verdict

from .factories import PendingFactory, UserFactory, address_of

pytestmark = [pytest.mark.database, pytest.mark.django_db]

#: The stored address, the typed address, and the recipient of the message.
FOUND = {
    "capitals": ("jane@example.com", "JANE@EXAMPLE.COM", "jane@example.com"),
    "stored in capitals": ("JANE@EXAMPLE.COM", "jane@example.com", "JANE@EXAMPLE.COM"),
    "space around": ("jane@example.com", " jane@example.com\u3000", "jane@example.com"),
    "full-width": (
        "jane@example.com",
        "\uff4a\uff41\uff4e\uff45@\uff45xample.com",
        "jane@example.com",
    ),
    "stored full-width": (
        "\uff4a\uff41\uff4e\uff45@example.com",
        "jane@example.com",
        "\uff4a\uff41\uff4e\uff45@example.com",
    ),
    "a full-width at": ("jane@example.com", "jane\uff20example.com", "jane@example.com"),
    "a ligature": ("fish@example.com", "\ufb01sh@example.com", "fish@example.com"),
    "a stored ligature": ("\ufb01sh@example.com", "fish@example.com", "\ufb01sh@example.com"),
    "a Kelvin sign": ("kelvin@example.com", "\u212aelvin@example.com", "kelvin@example.com"),
    "capitals beyond ASCII": (
        "\u00e4nne@example.com",
        "\u00c4NNE@example.com",
        "\u00e4nne@example.com",
    ),
    "stored capitals beyond ASCII": (
        "\u00c4nne@example.com",
        "\u00e4NNE@example.com",
        "\u00c4nne@example.com",
    ),
    "typed decomposed": (
        "ren\u00e9@example.com",
        "rene\u0301@example.com",
        "ren\u00e9@example.com",
    ),
    "stored decomposed": (
        "rene\u0301@example.com",
        "ren\u00e9@example.com",
        "rene\u0301@example.com",
    ),
    "sharp s before the @": (
        "stra\u00dfe@example.com",
        "STRASSE@example.com",
        "stra\u00dfe@example.com",
    ),
    "Unicode stored, Punycode typed": (
        "jane@b\u00fccher.example",
        "jane@xn--bcher-kva.example",
        "jane@xn--bcher-kva.example",
    ),
    "Punycode stored, Unicode typed": (
        "jane@xn--bcher-kva.example",
        "Jane@B\u00dcCHER.example",
        "jane@xn--bcher-kva.example",
    ),
    "a domain with a sharp s": (
        "jane@stra\u00dfe.example",
        "jane@xn--strae-oqa.example",
        "jane@xn--strae-oqa.example",
    ),
    "dotless i, its own": ("\u0131@example.com", "\u0131@example.com", "\u0131@example.com"),
    "I with a dot, its own": ("\u0130@example.com", "\u0130@example.com", "\u0130@example.com"),
    "quoted, with a comma": (
        '"victim,b"@example.com',
        '"VICTIM,b"@example.com',
        '"victim,b"@example.com',
    ),
    "line breaks around": ("jane@example.com", "\tjane@example.com\r\n", "jane@example.com"),
    "quoted for nothing": ("jane@example.com", '"J\\ane"@example.com', "jane@example.com"),
    "stored quoted for nothing": ('"jane"@example.com', "jane@example.com", "jane@example.com"),
    "ideographic full stop": ("jane@b.example", "jane@b\u3002example", "jane@b.example"),
}

#: The stored address, and a typed address that is only similar.
LOOKALIKES = {
    "Cyrillic a": ("victim@paypal.example", "victim@p\u0430ypal.example"),
    "Cyrillic a before the @": ("anna@example.com", "\u0430nna@example.com"),
    "dotless i typed": ("victim@example.com", "v\u0131ctim@example.com"),
    "dotless i stored": ("v\u0131ctim@example.com", "victim@example.com"),
    "I with a dot typed": ("victim@example.com", "v\u0130ctim@example.com"),
    "I with a dot stored": ("v\u0130ctim@example.com", "victim@example.com"),
    "an accent typed": ("rene@example.com", "ren\u00e9@example.com"),
    "an accent stored": ("ren\u00e9@example.com", "rene@example.com"),
    "sharp s in the domain typed": ("x@strasse.example", "x@stra\u00dfe.example"),
    "sharp s in the domain stored": ("x@stra\u00dfe.example", "x@strasse.example"),
    "final sigma": (
        "x@\u03b2\u03cc\u03bb\u03bf\u03c2.example",
        "x@\u03b2\u03cc\u03bb\u03bf\u03c3.example",
    ),
    "an encoded word": ("victim@example.com", "=?utf-8?q?victim=40example=2ecom?=@evil.example"),
    "an encoded word before the @": ("victim@example.com", "=?utf-8?q?victim?=@example.com"),
    "a comma": ("victim@example.com", "victim@example.com,thief@evil.example"),
    "a comma before": ("victim@example.com", "thief@evil.example,victim@example.com"),
    "a semicolon": ("victim@example.com", "victim@example.com;thief@evil.example"),
    "quoted with an at": ("victim@example.com", '"victim@example.com"@evil.example'),
    "a display name": ("victim@example.com", "Victim <victim@example.com>"),
    "a comment": ("victim@example.com", "victim(comment)@example.com"),
    "a comment behind": ("victim@example.com", "victim@example.com(comment)"),
    "a route": ("victim@example.com", "@evil.example:victim@example.com"),
    "a percent route": ("victim@example.com", "victim%example.com@evil.example"),
    "a line break": ("victim@example.com", "victim@example.com\nBcc: thief@evil.example"),
    "NUL": ("victim@example.com", "victim@example.com\x00thief"),
    "a lone surrogate": ("victim@example.com", "victim\ud800@example.com"),
    "10 kB": ("victim@example.com", "victim" + "m" * 10_000 + "@example.com"),
    "a dot at the end": ("victim@example.com", "victim@example.com."),
    "an override of direction": ("victim@example.com", "\u202evictim@example.com"),
    "a zero-width space": ("victim@example.com", "vic\u200btim@example.com"),
    "a zero-width joiner": ("victim@example.com", "vic\u200dtim@example.com"),
    "a soft hyphen": ("victim@example.com", "vic\u00adtim@example.com"),
    "a combining mark": ("victim@example.com", "victim\u0301@example.com"),
    "a wildcard": ("victim@example.com", "victim%@example.com"),
    "one letter": ("victim@example.com", "vict_m@example.com"),
    "a backslash": ("victim@example.com", "victim\\@example.com"),
    "a tag": ("victim@example.com", "victim+tag@example.com"),
    "a dot": ("victim@example.com", "v.ictim@example.com"),
    "nothing": ("victim@example.com", ""),
}


def candid(identity):
    return engine.resend(ResendRequest(identity=identity, client=clients.default()))


def quiet(identity):
    request = ResendRequest(identity=identity, client=clients.default(), quiet=CONCEALED)
    result = engine.resend(request)
    assert result.ending is Outcome.SENT
    return result


def half_quiet(identity):
    concealed = frozenset({Outcome.UNKNOWN})
    request = ResendRequest(identity=identity, client=clients.default(), quiet=concealed)
    assert engine.resend(request).ending is Outcome.SENT


def recipients():
    while not engine.drain().idle:
        pass
    assert not Delivery.objects.filter(state__in=["asked", "queued", "sending", "failed"]).exists()
    return [letter.recipients() for letter in mail.outbox]


HOW = pytest.mark.parametrize("ask", [candid, quiet, half_quiet])


@HOW
@pytest.mark.parametrize(("stored", "typed", "recipient"), FOUND.values(), ids=FOUND)
def test_found(ask, stored, typed, recipient):
    """Another spelling finds the account, and the message is sent to the stored address."""
    PendingFactory.create(username="owner", email=stored)
    PendingFactory.create(username="neighbour", email="somebody.else@example.com")
    ask(typed)
    assert recipients() == [[recipient]]
    assert Confirmation.objects.filter(address=stored).count() == 1


@HOW
@pytest.mark.parametrize(("stored", "typed"), LOOKALIKES.values(), ids=LOOKALIKES)
def test_neighbours(ask, stored, typed):
    """A similar address does not send any message."""
    PendingFactory.create(username="owner", email=stored)
    ask(typed)
    assert recipients() == []


@HOW
def test_two_that_look_alike(ask):
    """Of two addresses that a database may treat as equal, only the requested one gets mail."""
    for name, address in enumerate(["rene@example.com", "ren\u00e9@example.com"]):
        PendingFactory.create(username=str(name), email=address)
    ask("RENE\u0301@example.com")
    assert recipients() == [["ren\u00e9@example.com"]]


#: Spellings that are found without a confirmation, by the host's column.
WITHOUT = {
    name: FOUND[name]
    for name in (
        "capitals",
        "stored in capitals",
        "full-width",
        "a ligature",
        "a Kelvin sign",
        "capitals beyond ASCII",
        "typed decomposed",
        "Unicode stored, Punycode typed",
        "Punycode stored, Unicode typed",
        "a domain with a sharp s",
        "quoted for nothing",
    )
}


class Everybody(ConfirmationStore):
    """A store in which all accounts are pending, with or without a confirmation."""

    def standing(self, user, state):
        return Standing.PENDING


@HOW
@pytest.mark.parametrize(("stored", "typed", "recipient"), WITHOUT.values(), ids=WITHOUT)
def test_found_without_a_confirmation(ask, change, stored, typed, recipient):
    """An account without a confirmation is found by other spellings."""
    change(ACCOUNTS=f"{__name__}.Everybody")
    UserFactory.create(username="owner", email=stored)
    ask(typed)
    assert recipients() == [[recipient]]


def test_statements_of_a_look_up(django_assert_num_queries):
    """Looking up an account takes a query by address and one by user, for any spelling."""
    PendingFactory.create(username="owner", email="jane@b\u00fccher.example")
    for typed, first in [
        ("jane@xn--bcher-kva.example", 1),
        ("JANE@B\u00dcCHER.example", 1),
        ("nobody@example.com", 2),
    ]:
        with django_assert_num_queries(2):
            find_accounts(typed)
        with django_assert_num_queries(first):
            find_accounts(typed, stop_early=True)
    with django_assert_num_queries(1):
        find_accounts("owner")


def test_limits_are_the_mailbox_s():
    """Spellings of the same mailbox share a cooldown."""
    for name, address in enumerate(
        ["mike@example.com", '"mike"@example.com', '"m\\ike"@EXAMPLE.com']
    ):
        start(UserFactory.create(username=str(name), email=address))
    while not engine.drain().idle:
        pass
    assert [letter.to for letter in mail.outbox] == [["mike@example.com"]]
    assert Cooldown.objects.count() == 1


@pytest.mark.parametrize("suppressed", ["mike@example.com", '"mike"@example.com'])
def test_suppressed_in_another_spelling(suppressed):
    """A suppression applies to all spellings of the mailbox."""
    digest = address_of(suppressed).digest("suppression")
    Suppression.objects.create(digest=digest, why="bounced", since=timezone.now())
    for name, address in enumerate(["mike@example.com", '"MIKE"@example.com']):
        start(UserFactory.create(username=str(name), email=address))
        Cooldown.objects.all().delete()
    while not engine.drain().idle:
        pass
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("stra\u00dfe@example.com", "strasse@example.com"),
        ('"mike"@example.com', "mike@example.com"),
        ("\ufb01sh@example.com", "fish@example.com"),
    ],
)
@pytest.mark.parametrize("again", [start, None], ids=["started again", "asked again"])
def test_a_link_proves_the_spelling_that_it_went_to(change, before, after, again):
    """A link confirms only the spelling that it was sent to."""
    change(CLIENTS=[{"name": "site"}])
    user = UserFactory.create(username="owner", email=before)
    start(user)
    user.email = after
    user.save()
    assert engine.drain().sent == 0
    user.email = before
    user.save()
    Cooldown.objects.all().delete()
    start(user)
    engine.drain()
    user.email = after
    user.save()
    Cooldown.objects.all().delete()
    if again:
        again(user)
    else:
        candid(after)
    while not engine.drain().idle:
        pass
    first, second = (letter.body.partition("token=")[2][:43] for letter in mail.outbox)
    assert engine.confirm(first).verdict is Verdict.DEAD
    assert engine.confirm(second).verdict is Verdict.CONFIRMED
    assert Confirmation.objects.get().address == after

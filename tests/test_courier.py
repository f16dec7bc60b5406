"""The courier: what goes into the mail, over which link, and what becomes of what does not."""

import re
import smtplib
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import django
import pytest
from aiosmtpd.controller import Controller
from anymail.exceptions import (
    AnymailAPIError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailUnsupportedFeature,
)
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.mail.backends import locmem
from django.db import connections

from resend_confirmation import addresses, clients, engine, start, withdraw
from resend_confirmation.courier import carry, claims, message
from resend_confirmation.courier.post import Kind, receipt_of
from resend_confirmation.engine import ResendRequest
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import CONCEALED, ConfirmationState, DeliveryState, Reason
from resend_confirmation.signals import delivery_changed

from .factories import UserFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class ScriptedBackend(locmem.EmailBackend):
    """Keeps messages in memory, after raising what the test laid out for it."""

    script: ClassVar[list[BaseException | None]] = []
    seen: ClassVar[list[Any]] = []

    def send_messages(self, messages):
        self.seen.extend(messages)
        if self.script and (error := self.script.pop(0)) is not None:
            raise error
        return super().send_messages(messages)


class LosingBackend(locmem.EmailBackend):
    """Says that it took nothing, as a backend that fails silently."""

    def send_messages(self, messages):
        return 0


class KilledError(BaseException):
    """What ends a process in the middle of sending."""


def through(settings, backend, **options):
    """Send through ``backend``, on any Django."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        return
    settings.EMAIL_BACKEND = backend
    for name, value in options.items():
        setattr(settings, f"EMAIL_{name.upper()}", value)


@pytest.fixture
def script(settings):
    """What the mail backend raises, call by call; None is success."""
    through(settings, "tests.test_courier.ScriptedBackend")
    ScriptedBackend.script.clear()
    ScriptedBackend.seen.clear()
    return ScriptedBackend.script


def queued(user, **given):
    """A delivery for ``user`` that is due."""
    start(user, **given)
    return Delivery.objects.latest("pk")


def again(user, **given):
    """Another delivery for ``user`` that is due, whatever the cooldown says."""
    Cooldown.objects.all().delete()
    return queued(user, **given)


def token_in(letter):
    (link,) = re.findall(r"https://\S+/confirm/\?\S+", letter.body)
    (token,) = parse_qs(urlsplit(link).query)["token"]
    return token


def html_of(letter):
    ((html, kind),) = letter.alternatives
    assert kind == "text/html"
    return html


def column(name):
    return list(Delivery.objects.order_by("pk").values_list(name, flat=True))


# The message


def test_sent(pending, clock):
    """A message goes to one recipient, and the row and the confirmation say so."""
    delivery = queued(pending)
    assert carry() == (1, 0)
    (letter,) = mail.outbox
    assert (letter.to, letter.cc, letter.bcc) == (["pending@example.com"], [], [])
    assert letter.from_email == "site@site.example"
    assert letter.subject == "Please confirm your e-mail address"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.SENT, Reason.NONE)
    assert (delivery.attempts, delivery.sent_at, delivery.ended_at) == (1, NOON, None)
    assert (delivery.lease_owner, delivery.lease_until) == ("", None)
    confirmation = Confirmation.objects.get()
    assert (confirmation.sends, confirmation.last_sent_at) == (1, NOON)
    assert confirmation.last_delivery_state == DeliveryState.SENT
    assert confirmation.expires_at == NOON + timedelta(hours=24)
    assert carry() == (0, 0)


def test_headers(pending, settings):
    """A message says that a machine wrote it, and its id is on our host."""
    queued(pending)
    carry()
    written = mail.outbox[0].message()
    assert written["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<[0-9a-f-]{36}@site\.example>", written["Message-ID"])
    assert written["Message-ID"] == Delivery.objects.get().message_id
    assert written["To"] == "pending@example.com"


def test_parts(pending):
    """A message has a text and an HTML part, with the same link."""
    queued(pending)
    carry()
    (letter,) = mail.outbox
    html = html_of(letter)
    link = f"https://site.example/confirm/?token={token_in(letter)}"
    assert f'href="{link}"' in html
    assert letter.body.count(link) == 1


def test_from(pending, change):
    """FROM_EMAIL is the sender where it is set."""
    change(FROM_EMAIL="accounts@site.example")
    queued(pending)
    carry()
    assert mail.outbox[0].from_email == "accounts@site.example"


def test_language_and_time_zone(clock):
    """A message is in its own language and in the recipient's time."""
    queued(UserFactory.create(), language="de", time_zone="Asia/Tokyo")
    queued(UserFactory.create(), time_zone="no/where")
    carry()
    german, plain = mail.outbox
    assert '<html lang="de">' in html_of(german)
    assert "21:00" in german.body
    assert '<html lang="en-us">' in html_of(plain)
    assert "6 a.m. (CST)" in plain.body


def test_nothing_typed_reaches_the_message(db):
    """A user name and an address cannot put anything into subject or text."""
    user = UserFactory.create(username="https://evil.example/", email="a@example.com")
    queued(user, client="game")
    Delivery.objects.update(client_state="evil", payload="evil")
    carry()
    (letter,) = mail.outbox
    assert "evil" not in f"{letter.subject} {letter.body} {html_of(letter)}"


@pytest.mark.parametrize(
    ("stored", "recipient"),
    [
        ("Pending.Upper@Example.com", "Pending.Upper@Example.com"),
        ("x@stra\u00dfe.de", "x@xn--strae-oqa.de"),
        ("gr\u00fc\u00dfe@b\u00fccher.example", "gr\u00fc\u00dfe@xn--bcher-kva.example"),
    ],
)
def test_recipient(stored, recipient):
    """The message goes to the address as stored, its domain in IDNA 2008."""
    queued(UserFactory.create(email=stored))
    carry()
    assert mail.outbox[0].to == [recipient]


def test_several_accounts():
    """Accounts of one address get a message each, with links of their own."""
    for _ in range(3):
        again(UserFactory.create(email="shared@example.com"))
    assert carry() == (3, 0)
    assert len({token_in(letter) for letter in mail.outbox}) == 3


def test_limit():
    """A round carries no more than asked for, the longest due first."""
    pks = [queued(UserFactory.create()).pk for _ in range(3)]
    assert carry(2) == (2, 0)
    assert set(Delivery.objects.filter(state="sent").values_list("pk", flat=True)) == set(pks[:2])


def test_not_yet_due(pending, clock):
    """What is due later waits."""
    queued(pending)
    Delivery.objects.update(not_before=NOON + timedelta(seconds=1))
    assert carry() == (0, 0)
    clock.move(seconds=1)
    assert carry() == (1, 0)


# Links


def test_same_message_over_retries(pending, clock, script):
    """Every attempt carries the same link and the same Message-ID."""
    queued(pending)
    script.extend([ConnectionResetError(), smtplib.SMTPServerDisconnected(), None])
    for _ in range(3):
        carry()
        clock.move(hours=1)
    assert column("state") == [DeliveryState.SENT]
    assert len(ScriptedBackend.seen) == 3
    assert len({token_in(letter) for letter in ScriptedBackend.seen}) == 1
    assert len({letter.extra_headers["Message-ID"] for letter in ScriptedBackend.seen}) == 1


def test_same_link_over_a_change_of_key(pending, clock, script, settings):
    """A retry after the key was rotated carries the link of the first attempt."""
    queued(pending)
    script.extend([OSError(), None])
    carry()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    clock.move(hours=1)
    carry()
    first, second = ScriptedBackend.seen
    assert token_in(first) == token_in(second)


def test_link_of_a_lost_key(pending, clock, script, settings):
    """A retry whose link nobody can make any more is given up."""
    queued(pending)
    script.append(OSError())
    carry()
    settings.SECRET_KEY = "another"
    clock.move(hours=1)
    carry()
    assert column("state") == [DeliveryState.ABANDONED]


def test_reuse(pending, clock):
    """Within the first half of a link's life another message repeats it."""
    queued(pending)
    carry()
    clock.move(hours=11, minutes=59)
    again(pending)
    carry()
    first, second = mail.outbox
    assert token_in(first) == token_in(second)
    assert column("link_expires_at") == [NOON + timedelta(hours=24)] * 2
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]


def test_next_after_half(pending, clock):
    """After half of its life the next message brings a new link."""
    queued(pending)
    carry()
    clock.move(hours=12)
    again(pending)
    carry()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)
    assert column("generation") == [1, 2]
    assert column("link_expires_at") == [NOON + timedelta(hours=24), NOON + timedelta(hours=36)]


@pytest.mark.parametrize(
    "landing",
    [
        {"dialect": "acme"},
        {"client": "arcade"},
        {"redirect": "1"},
        {"client_state": "another"},
        {"payload": "another"},
    ],
)
def test_next_for_another_landing(pending, landing):
    """A link is repeated only where it leads to the same place."""
    queued(pending)
    carry()
    Delivery.objects.filter(pk=again(pending).pk).update(**landing)
    carry()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)


def test_newest(pending, change):
    """Under ``newest`` every message brings a new link."""
    change(LINK_POLICY="newest")
    queued(pending)
    carry()
    again(pending)
    carry()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)


def test_no_reuse_after_a_restart(pending, clock):
    """A link from before a withdrawal is not repeated, and the new one has a whole life."""
    queued(pending)
    carry()
    clock.move(hours=1)
    withdraw(Confirmation.objects.get())
    again(pending)
    carry()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)
    assert column("link_expires_at") == [NOON + timedelta(hours=24), NOON + timedelta(hours=25)]


def test_no_reuse_under_a_new_key(pending, clock, settings):
    """A link that the current key does not make is not repeated; the new one has a whole life."""
    queued(pending)
    carry()
    clock.move(hours=1)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    again(pending)
    carry()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)
    assert column("link_expires_at") == [NOON + timedelta(hours=24), NOON + timedelta(hours=25)]


def test_no_secret_in_the_tables(pending):
    """Neither token nor text of a message is in any row."""
    queued(pending)
    carry()
    token = token_in(mail.outbox[0])
    tables = (Confirmation, Cooldown, Delivery, Suppression)
    stored = str([list(model.objects.values()) for model in tables])
    assert addresses.fingerprint("pending@example.com") in stored
    assert token not in stored
    assert "Somebody, most likely you" not in stored


# Not accepted


def test_schedule(pending, clock, script):
    """What is not accepted is tried again after 30 s, 2, 10, 30 min and 2 h, then has failed."""
    delivery = queued(pending)
    script.extend([smtplib.SMTPServerDisconnected()] * 6)
    waits = []
    for attempt in range(1, 6):
        assert carry() == (0, 1)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == (DeliveryState.QUEUED, attempt)
        assert delivery.reason == Reason.NOT_ACCEPTED
        assert delivery.error_class == "SMTPServerDisconnected"
        waits.append((delivery.not_before - clock.now).total_seconds())
        assert carry() == (0, 0)
        clock.now = delivery.not_before
    for wait, least in zip(waits, [30, 120, 600, 1800, 7200], strict=True):
        assert least <= wait <= 1.2 * least
    assert carry() == (0, 1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, Reason.NOT_ACCEPTED)
    assert delivery.ended_at == clock.now
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.FAILED
    clock.move(days=1)
    assert carry() == (0, 0)


def test_never_past_half_of_the_links_life(pending, clock, script, change):
    """No attempt is put off past half of the link's life: it must be worth receiving."""
    change(LINK_LIFETIME=600)
    delivery = queued(pending)
    script.extend([OSError()] * 9)
    for _ in range(3):
        carry()
        clock.move(minutes=2.5)
    delivery.refresh_from_db()
    # After 30 s and 2 min come 10, and the half is over after 5.
    assert (delivery.attempts, delivery.state) == (3, DeliveryState.FAILED)
    assert delivery.reason == Reason.TOO_LATE


def test_accepted_after_all(pending, clock, script):
    """A later success leaves no trace of the failure."""
    delivery = queued(pending)
    script.append(ConnectionRefusedError())
    carry()
    clock.move(minutes=1)
    assert carry() == (1, 0)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.SENT, Reason.NONE)
    assert (delivery.error_class, delivery.attempts) == ("", 2)


def test_a_backend_that_says_nothing(pending, settings):
    """A backend that took no message and raised nothing has not accepted it."""
    through(settings, "tests.test_courier.LosingBackend")
    delivery = queued(pending)
    assert carry() == (0, 1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NOT_ACCEPTED)


def test_a_backend_that_cannot_be_made(pending, settings):
    """With a backend that cannot be imported the message stays."""
    through(settings, "nowhere.EmailBackend")
    delivery = queued(pending)
    assert carry() == (0, 1)
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.QUEUED


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (smtplib.SMTPRecipientsRefused({"a@b": (550, b"no")}), Kind.REFUSED, "550"),
        (smtplib.SMTPRecipientsRefused({"a@b": (451, b"later")}), Kind.NOT_ACCEPTED, "451"),
        (smtplib.SMTPSenderRefused(550, b"no", "a@b"), Kind.NOT_ACCEPTED, "550"),
        (smtplib.SMTPDataError(554, b"no"), Kind.NOT_ACCEPTED, "554"),
        (smtplib.SMTPAuthenticationError(535, b"no"), Kind.NOT_ACCEPTED, "535"),
        (smtplib.SMTPConnectError(421, b"busy"), Kind.NOT_ACCEPTED, "421"),
        (smtplib.SMTPServerDisconnected("gone"), Kind.NOT_ACCEPTED, ""),
        (TimeoutError(), Kind.NOT_ACCEPTED, ""),
        (socket.gaierror(-2, "unknown host"), Kind.NOT_ACCEPTED, ""),
        (AnymailRecipientsRefused(), Kind.REFUSED, ""),
        (AnymailInvalidAddress(), Kind.REFUSED, ""),
        (AnymailUnsupportedFeature(), Kind.UNSUPPORTED, ""),
        (AnymailAPIError(), Kind.NOT_ACCEPTED, ""),
        (RuntimeError(), Kind.NOT_ACCEPTED, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_kinds_of_errors(error, kind, code):
    """A mail backend's error is of one kind, and its text, which quotes addresses, is dropped."""
    receipt = receipt_of(error)
    assert (receipt.kind, receipt.error_code) == (kind, code)
    assert receipt.error_class == type(error).__name__


# A real SMTP server


class Mailbox:
    """What an SMTP server was handed, and what it answers."""

    def __init__(self):
        self.recipients = []
        self.letters = []
        self.peers = set()
        self.answers = {}
        self.data_answer = "250 taken"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        self.recipients.append(address)
        answer = self.answers.get(address, "250 fine")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.peers.add(session.peer)
        if self.data_answer.startswith("250"):
            self.letters.append((envelope.rcpt_tos, envelope.content.decode()))
        return self.data_answer


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def over_smtp(settings, port):
    backend = "django.core.mail.backends.smtp.EmailBackend"
    through(settings, backend, host="127.0.0.1", port=port, timeout=10)


@pytest.fixture
def mailbox(settings):
    """An SMTP server on this machine, and Django's own backend that speaks to it."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    over_smtp(settings, controller.port)
    yield box
    controller.stop()


def test_smtp(mailbox):
    """Over SMTP each message has one recipient, and one connection serves a batch."""
    addressed = [
        "a@example.com",
        "Pending.Upper@Example.com",
        '"a,b"@example.com',
        "x@stra\u00dfe.de",
    ]
    for address in addressed:
        queued(UserFactory.create(email=address))
    assert carry() == (4, 0)
    assert [recipients for recipients, _ in mailbox.letters] == [
        ["a@example.com"],
        ["Pending.Upper@Example.com"],
        ['"a,b"@example.com'],
        ["x@xn--strae-oqa.de"],
    ]
    assert len(mailbox.peers) == 1
    assert "Auto-Submitted: auto-generated" in mailbox.letters[0][1]


def test_smtp_refuses_the_recipient(mailbox):
    """5xx on RCPT is for good; the others of the batch are sent."""
    for name in ("one", "two", "three"):
        queued(UserFactory.create(username=name))
    mailbox.answers["two@example.com"] = "550 no such user"
    assert carry() == (2, 1)
    assert column("state") == [DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SENT]
    failed = Delivery.objects.get(state=DeliveryState.FAILED)
    assert (failed.reason, failed.error_code) == (Reason.REFUSED, "550")
    assert failed.error_class == "SMTPRecipientsRefused"
    assert failed.ended_at is not None
    assert [recipients for recipients, _ in mailbox.letters] == [
        ["one@example.com"],
        ["three@example.com"],
    ]


def test_smtp_puts_the_recipient_off(mailbox, pending):
    """4xx on RCPT, such as greylisting, is tried again later."""
    mailbox.answers["pending@example.com"] = "451 greylisted"
    delivery = queued(pending)
    assert carry() == (0, 1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NOT_ACCEPTED)
    assert delivery.error_code == "451"
    del mailbox.answers["pending@example.com"]
    Delivery.objects.update(not_before=delivery.asked_at)
    assert carry() == (1, 0)


def test_smtp_refuses_the_message(mailbox, pending):
    """5xx after DATA may be a filter's passing mood, and is tried again."""
    mailbox.data_answer = "554 looks like spam"
    delivery = queued(pending)
    carry()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_class) == (DeliveryState.QUEUED, "SMTPDataError")
    assert delivery.error_code == "554"


def test_no_smtp_server(settings, pending):
    """With no server at all the message stays."""
    over_smtp(settings, free_port())
    delivery = queued(pending)
    assert carry() == (0, 1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NOT_ACCEPTED)
    assert delivery.error_class == "ConnectionRefusedError"


def test_smtp_cannot_carry_a_local_part_beyond_ascii(mailbox, pending):
    """A local part that Django's backend would turn into another mailbox is not sent at all."""
    queued(UserFactory.create(email="gr\u00fc\u00dfe@example.com"))
    queued(pending)
    assert carry() == (1, 1)
    assert column("state") == [DeliveryState.FAILED, DeliveryState.SENT]
    assert column("reason") == [Reason.UNSUPPORTED, Reason.NONE]
    assert mailbox.recipients == ["pending@example.com"]


# Meanwhile


def suppress(user):
    digest = addresses.keyed_digests("pending@example.com", "suppression")[0]
    Suppression.objects.create(digest=digest, why=Suppression.Why.BOUNCED, since=NOON)


def withdraw_it(user):
    withdraw(Confirmation.objects.get())


def confirm_it(user):
    Confirmation.objects.update(state=ConfirmationState.CONFIRMED)


def deactivate(user):
    get_user_model().objects.update(is_active=False)


def move_away(user):
    get_user_model().objects.update(email="new@example.com")


def lose_the_address(user):
    get_user_model().objects.update(email="")


@pytest.mark.parametrize(
    ("meanwhile", "state", "reason"),
    [
        (suppress, DeliveryState.SUPPRESSED, Reason.SUPPRESSED),
        (withdraw_it, DeliveryState.ABANDONED, Reason.BLOCKED),
        (confirm_it, DeliveryState.ABANDONED, Reason.CONFIRMED),
        (deactivate, DeliveryState.ABANDONED, Reason.BLOCKED),
        (move_away, DeliveryState.ABANDONED, Reason.ADDRESS_CHANGED),
        (lose_the_address, DeliveryState.ABANDONED, Reason.ADDRESS_CHANGED),
    ],
)
@pytest.mark.parametrize("tried", [False, True], ids=["at once", "after a failure"])
def test_meanwhile(pending, clock, script, meanwhile, state, reason, tried):
    """What happened since the ask is looked at right before each attempt, and ends it."""
    delivery = queued(pending)
    if tried:
        script.append(OSError())
        carry()
        clock.move(minutes=1)
    meanwhile(pending)
    sent_before = len(ScriptedBackend.seen)
    assert carry() == (0, 1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (state, reason)
    assert delivery.ended_at == clock.now
    assert len(ScriptedBackend.seen) == sent_before
    assert carry() == (0, 0)


def test_suppressed_under_an_old_key(pending, settings):
    """A suppression outlives a rotation of the key."""
    suppress(pending)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    queued(pending)
    carry()
    assert column("state") == [DeliveryState.SUPPRESSED]


def test_deleted_account(pending):
    """An account that is deleted takes its deliveries along."""
    queued(pending)
    pending.delete()
    assert carry() == (0, 0)
    assert not Delivery.objects.exists()


def test_deleted_while_carried(pending, monkeypatch):
    """An account that is deleted between the claim and the send gets no message."""
    queued(pending)
    claim = claims.claim

    def claim_then_delete(owner, limit):
        mine = claim(owner, limit)
        pending.delete()
        return mine

    monkeypatch.setattr(claims, "claim", claim_then_delete)
    assert carry() == (0, 1)
    assert mail.outbox == []


# Claims


def test_claims_are_exclusive():
    """What one courier claimed another does not get."""
    pks = {queued(UserFactory.create()).pk for _ in range(4)}
    first = {delivery.pk for delivery in claims.claim("one", 2)}
    second = {delivery.pk for delivery in claims.claim("two", 10)}
    assert (len(first), len(second)) == (2, 2)
    assert first | second == pks
    assert claims.claim("three", 10) == []


@pytest.mark.django_db(transaction=True)
def test_claims_are_exclusive_in_a_race():
    """Of couriers that claim at the same moment each gets rows of its own."""
    pks = {queued(UserFactory.create()).pk for _ in range(20)}

    def claim(place):
        try:
            return [delivery.pk for delivery in claims.claim(f"courier {place}", 20)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        claimed = [pk for mine in pool.map(claim, range(5)) for pk in mine]
    assert sorted(claimed) == sorted(pks)


def test_the_mark_is_fenced(pending, clock):
    """A courier that lost its lease cannot write what became of the delivery."""
    queued(pending)
    (delivery,) = claims.claim("slow", 1)
    clock.move(seconds=61)
    (again_,) = claims.claim("quick", 1)
    assert again_.pk == delivery.pk
    assert claims.renew(delivery, "slow") is False
    assert claims.mark(delivery, "slow", DeliveryState.FAILED) is False
    assert column("state") == [DeliveryState.SENDING]
    assert claims.mark(delivery, "quick", DeliveryState.SENT) is True


def test_a_lease_that_runs(pending, clock):
    """While a lease runs, twice the deadline of a send, nobody takes the row."""
    queued(pending)
    claims.claim("slow", 1)
    clock.move(seconds=60)
    assert claims.claim("quick", 1) == []


def test_killed_once(pending, clock, script):
    """What a killed courier left is sent once more, as the same message."""
    queued(pending)
    script.append(KilledError())
    with pytest.raises(KilledError):
        carry()
    assert column("state") == [DeliveryState.SENDING]
    clock.move(seconds=61)
    assert carry() == (1, 0)
    first, second = ScriptedBackend.seen
    assert token_in(first) == token_in(second)
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]
    assert column("state") == [DeliveryState.SENT]


def test_killed_twice(pending, clock, script):
    """After the one repeat it is unknown what became of a message, and nothing more is sent."""
    delivery = queued(pending)
    script.extend([KilledError(), KilledError()])
    for _ in range(2):
        with pytest.raises(KilledError):
            carry()
        clock.move(seconds=61)
    assert carry() == (0, 0)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.UNKNOWN, Reason.INTERRUPTED)
    assert delivery.ended_at == clock.now
    clock.move(days=1)
    assert carry() == (0, 0)
    assert len(ScriptedBackend.seen) == 2


def test_poison(clock, monkeypatch, caplog):
    """A row that cannot be carried is put off alone; those around it are sent."""
    for name in ("first", "poison", "last"):
        queued(UserFactory.create(username=name))
    write = message.write

    def fail(delivery, confirmation, account, token):
        if account.username == "poison":
            raise RuntimeError("poison")
        return write(delivery, confirmation, account, token)

    monkeypatch.setattr(message, "write", fail)
    assert carry() == (2, 1)
    assert column("state") == [DeliveryState.SENT, DeliveryState.QUEUED, DeliveryState.SENT]
    assert "could not be carried" in caplog.text
    for _ in range(5):
        clock.move(hours=3)
        carry()
    poison = Delivery.objects.order_by("pk")[1]
    assert (poison.state, poison.error_class) == (DeliveryState.FAILED, "Crashed")


# Signals


@pytest.fixture
def told():
    """What ``delivery_changed`` said."""
    heard = []

    def listen(sender, **given):
        assert sender is Delivery
        heard.append((given["delivery_id"], given["state"], given["reason"]))

    delivery_changed.connect(listen)
    yield heard
    delivery_changed.disconnect(listen)


def test_delivery_changed(pending, clock, script, told):
    """Hosts hear what became of a delivery each time its row was written, without a secret."""
    delivery = queued(pending)
    script.extend([OSError(), None])
    carry()
    clock.move(minutes=1)
    carry()
    assert told == [
        (delivery.pk, DeliveryState.QUEUED, Reason.NOT_ACCEPTED),
        (delivery.pk, DeliveryState.SENT, Reason.NONE),
    ]


def test_delivery_changed_for_what_is_not_sent(pending, confirmed, clock, told):
    """Hosts hear of asks that were ignored and deliveries that were given up."""
    client = clients.default()
    for identity in ("pending", "pending", "confirmed"):
        engine.resend(ResendRequest(identity=identity, client=client, quiet=CONCEALED))
    engine.resolve()
    withdraw_it(pending)
    carry()
    sent, early, other = column("pk")
    assert told == [
        (early, DeliveryState.IGNORED, Reason.COOLING_DOWN),
        (other, DeliveryState.IGNORED, Reason.CONFIRMED),
        (sent, DeliveryState.ABANDONED, Reason.BLOCKED),
    ]


def test_a_receiver_that_fails(pending, caplog):
    """A receiver that fails does not keep the message from being marked as sent."""

    def fail(sender, **given):
        raise RuntimeError

    delivery_changed.connect(fail)
    try:
        queued(pending)
        assert carry() == (1, 0)
    finally:
        delivery_changed.disconnect(fail)
    assert column("state") == [DeliveryState.SENT]

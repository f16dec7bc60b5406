"""The courier: messages, their links, retries and failures."""

import re
import smtplib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import django
import pytest
from django.contrib.auth import get_user_model
from django.core import mail

from resend_confirmation import clients, engine, withdraw
from resend_confirmation.courier import Tally, links, message, send_due
from resend_confirmation.deadline import DeadlineExceeded
from resend_confirmation.deliveries import claims
from resend_confirmation.engine import ResendRequest
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import (
    CONCEALED,
    ConfirmationState,
    DeliveryState,
    Reason,
    Verdict,
)
from resend_confirmation.signals import delivery_changed

from .demonstration import free_port
from .factories import UserFactory, address_of, queued
from .mailers import SMTP, ScriptedBackend, through
from .smtp_server import Server

pytestmark = [pytest.mark.django, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def again(user, **given):
    """Queue another message for ``user``, regardless of the cooldown."""
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
    """A message is sent to one recipient, and delivery and confirmation are updated."""
    delivery = queued(pending)
    assert send_due() == Tally(sent=1)
    (letter,) = mail.outbox
    assert (letter.to, letter.cc, letter.bcc) == (["pending@example.com"], [], [])
    assert letter.from_email == "site@site.example"
    assert letter.subject == "Please confirm your e-mail address for site.example"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.SENT, Reason.NONE)
    assert (delivery.attempts, delivery.sent_at, delivery.ended_at) == (1, NOON, None)
    assert (delivery.lease_owner, delivery.lease_until) == ("", None)
    confirmation = Confirmation.objects.get()
    assert (confirmation.sends, confirmation.last_sent_at) == (1, NOON)
    assert confirmation.last_delivery_state == DeliveryState.SENT
    assert confirmation.expires_at == NOON + timedelta(hours=24)
    assert send_due() == Tally()


def test_headers(pending, settings):
    """A message is marked as auto-generated, and its Message-ID has our host."""
    queued(pending)
    send_due()
    written = mail.outbox[0].message()
    assert written["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<[0-9a-f-]{36}@site\.example>", written["Message-ID"])
    assert written["Message-ID"] == Delivery.objects.get().message_id
    assert written["To"] == "pending@example.com"


def test_parts(pending):
    """A message has a text and an HTML part, with the same link."""
    queued(pending)
    send_due()
    (letter,) = mail.outbox
    html = html_of(letter)
    link = f"https://site.example/confirm/?token={token_in(letter)}"
    assert f'href="{link}"' in html
    assert letter.body.count(link) == 1


def test_from(pending, change):
    """FROM_EMAIL is the sender if it is set."""
    change(FROM_EMAIL="accounts@site.example")
    queued(pending)
    send_due()
    assert mail.outbox[0].from_email == "accounts@site.example"


def test_language_and_time_zone(clock):
    """A message is in the delivery's language and the account's time zone."""
    queued(UserFactory.create(), language="de", time_zone="Asia/Tokyo")
    queued(UserFactory.create())
    # A time zone that this machine does not know.
    Confirmation.objects.filter(time_zone="").update(time_zone="no/where")
    send_due()
    german, plain = mail.outbox
    assert '<html lang="de">' in html_of(german)
    assert "\nDer Link ist gültig bis 2. Januar 2030 21:00 (JST).\n" in german.body
    assert '<html lang="en">' in html_of(plain)
    assert "6 a.m. (CST)" in plain.body


def test_nothing_typed_reaches_the_message(db):
    """A user name or address cannot add text to the subject or the message."""
    user = UserFactory.create(username="https://evil.example/", email="a@example.com")
    queued(user, client="game")
    Delivery.objects.update(client_state="evil", payload="evil")
    send_due()
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
    """The message is sent to the address as stored, with its domain in IDNA 2008."""
    queued(UserFactory.create(email=stored))
    send_due()
    assert mail.outbox[0].to == [recipient]


def test_several_accounts(clock):
    """Accounts with the same address get one message each, with separate links."""
    for _ in range(3):
        again(UserFactory.create(email="shared@example.com"))
    for _ in range(3):
        assert send_due() == Tally(sent=1)
        clock.move(minutes=1)
    assert len({token_in(letter) for letter in mail.outbox}) == 3


def test_limit():
    """A round sends at most ``limit`` messages, the most overdue first."""
    pks = [queued(UserFactory.create()).pk for _ in range(3)]
    assert send_due(2) == Tally(sent=2)
    assert set(Delivery.objects.filter(state="sent").values_list("pk", flat=True)) == set(pks[:2])


def test_not_yet_due(pending, clock):
    """A delivery is not sent before it is due."""
    queued(pending)
    Delivery.objects.update(not_before=NOON + timedelta(seconds=1))
    assert send_due() == Tally()
    clock.move(seconds=1)
    assert send_due() == Tally(sent=1)


# Links


def test_same_message_over_retries(pending, clock, script):
    """All attempts have the same link and Message-ID."""
    queued(pending)
    script.extend([ConnectionRefusedError(), smtplib.SMTPConnectError(421, b"busy"), None])
    for _ in range(3):
        send_due()
        clock.move(hours=1)
    assert column("state") == [DeliveryState.SENT]
    assert len(ScriptedBackend.seen) == 3
    assert len({token_in(letter) for letter in ScriptedBackend.seen}) == 1
    assert len({letter.extra_headers["Message-ID"] for letter in ScriptedBackend.seen}) == 1


def test_same_link_over_a_change_of_key(pending, clock, script, settings):
    """A retry after a rotation of the key has the link of the first attempt."""
    queued(pending)
    script.extend([ConnectionRefusedError(), None])
    send_due()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    clock.move(hours=1)
    send_due()
    first, second = ScriptedBackend.seen
    assert token_in(first) == token_in(second)


def test_link_of_a_lost_key(pending, clock, script, settings):
    """If the key is lost, a retry is given up, since its link cannot be created."""
    queued(pending)
    script.append(ConnectionRefusedError())
    send_due()
    settings.SECRET_KEY = "another"
    clock.move(hours=1)
    send_due()
    assert column("state") == [DeliveryState.ABANDONED]


def test_reuse(pending, clock):
    """In the first half of a link's lifetime another message repeats it."""
    queued(pending)
    send_due()
    clock.move(hours=11, minutes=59)
    again(pending)
    send_due()
    first, second = mail.outbox
    assert token_in(first) == token_in(second)
    assert column("link_expires_at") == [NOON + timedelta(hours=24)] * 2
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]


def test_next_after_half(pending, clock):
    """After half of the link's lifetime, the next message has a new link."""
    queued(pending)
    send_due()
    clock.move(hours=12)
    again(pending)
    send_due()
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
    """A link is only repeated if it leads to the same redirect."""
    queued(pending)
    send_due()
    Delivery.objects.filter(pk=again(pending).pk).update(**landing)
    send_due()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)


def test_newest(pending, change):
    """With the policy ``newest`` every message has a new link."""
    change(LINK_POLICY="newest")
    queued(pending)
    send_due()
    again(pending)
    send_due()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)


def test_no_reuse_after_a_restart(pending, clock):
    """A link from before a withdrawal is not repeated, and the new one has a full lifetime."""
    queued(pending)
    send_due()
    clock.move(hours=1)
    withdraw(Confirmation.objects.get())
    again(pending)
    send_due()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)
    assert column("link_expires_at") == [NOON + timedelta(hours=24), NOON + timedelta(hours=25)]


def test_no_reuse_under_a_new_key(pending, clock, settings):
    """A link of a former key is not repeated, and the new one has a full lifetime."""
    queued(pending)
    send_due()
    clock.move(hours=1)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    again(pending)
    send_due()
    first, second = mail.outbox
    assert token_in(first) != token_in(second)
    assert column("link_expires_at") == [NOON + timedelta(hours=24), NOON + timedelta(hours=25)]


def test_no_secret_in_the_tables(pending):
    """No row contains the token or the text of a message."""
    queued(pending)
    send_due()
    token = token_in(mail.outbox[0])
    tables = (Confirmation, Cooldown, Delivery, Suppression)
    stored = str([list(model.objects.values()) for model in tables])
    assert address_of("pending@example.com").fingerprint in stored
    assert token not in stored
    assert "You are receiving this because" not in stored


# Not accepted


def test_schedule(pending, clock, script):
    """A message is retried after 30 s, 2, 10 and 30 min and 2 h; then it has failed."""
    delivery = queued(pending)
    script.extend([ConnectionRefusedError()] * 6)
    waits = []
    for attempt in range(1, 6):
        assert send_due() == Tally(unsent=1)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == (DeliveryState.QUEUED, attempt)
        assert delivery.reason == Reason.NOT_ACCEPTED
        assert delivery.error_class == "ConnectionRefusedError"
        waits.append((delivery.not_before - clock.now).total_seconds())
        assert send_due() == Tally()
        clock.now = delivery.not_before
    for wait, least in zip(waits, [30, 120, 600, 1800, 7200], strict=True):
        assert least <= wait <= 1.2 * least
    assert send_due() == Tally(unsent=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, Reason.NOT_ACCEPTED)
    assert delivery.ended_at == clock.now
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.FAILED
    clock.move(days=1)
    assert send_due() == Tally()


def test_never_past_half_of_the_links_life(pending, clock, script, change):
    """No attempt is delayed past half of the link's lifetime."""
    change(LINK_LIFETIME=600)
    delivery = queued(pending)
    script.extend([ConnectionRefusedError()] * 9)
    for _ in range(3):
        send_due()
        clock.move(minutes=2.5)
    delivery.refresh_from_db()
    # The next attempt would be after 10 min, but half of the lifetime is 5 min.
    assert (delivery.attempts, delivery.state) == (3, DeliveryState.FAILED)
    assert delivery.reason == Reason.TOO_LATE


def test_no_retry_past_half_of_the_rest_of_a_reused_link(pending, clock, script):
    """A message that repeats a link with 13 hours left is retried for 6.5 hours."""
    queued(pending)
    send_due()
    clock.move(hours=11)
    delivery = again(pending)
    script.append(ConnectionRefusedError())
    send_due()
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.QUEUED
    clock.now = NOON + timedelta(hours=11 + 6.5) - timedelta(minutes=2)
    script.append(ConnectionRefusedError())
    send_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, Reason.TOO_LATE)


@pytest.mark.parametrize("hours", [12.1, 24.1, 240], ids=["half", "expired", "long ago"])
@pytest.mark.parametrize(
    "error", [smtplib.SMTPSenderRefused(550, b"", "a@b.example"), ConnectionRefusedError()]
)
def test_a_link_that_is_late(pending, clock, script, hours, error):
    """A message whose first attempt is late gets a new link with a full lifetime."""
    queued(pending)
    script.extend([error, None])
    send_due()
    clock.move(hours=hours)
    assert send_due() == Tally(sent=1)
    before, after = map(token_in, ScriptedBackend.seen)
    assert before != after
    assert column("link_expires_at") == [clock.now + timedelta(hours=24)]
    assert engine.inspect(after).verdict is Verdict.READY


def test_late_and_tried_again(pending, clock, script):
    """A message with a new link is retried for half of that link's lifetime."""
    queued(pending)
    script.extend([smtplib.SMTPSenderRefused(550, b"", "a@b.example"), ConnectionRefusedError()])
    send_due()
    clock.move(days=10)
    assert send_due() == Tally(unsent=1)
    assert column("state") == [DeliveryState.QUEUED]
    clock.move(hours=11)
    assert send_due() == Tally(sent=1)
    assert column("link_expires_at") == [clock.now + timedelta(hours=13)]


def test_late_and_left_by_a_courier_that_died(pending, clock):
    """A late delivery gets a new link if its courier was killed before the hand-over."""
    queued(pending)
    claim = claims.claim("killed")
    assert claim
    assert claim.delivery.confirmation
    address = claim.delivery.confirmation.parsed
    assert address
    links.assign(claim.delivery, claim.delivery.confirmation, address)
    clock.move(hours=13)
    assert send_due() == Tally(sent=1)
    assert column("link_expires_at") == [clock.now + timedelta(hours=24)]


def test_late_after_an_ambiguous_attempt(pending, clock, script):
    """A late message that may have been sent is not repeated with a new link."""
    queued(pending)
    script.append(DeadlineExceeded())
    send_due()
    clock.move(hours=13)
    assert send_due() == Tally(unsent=1)
    assert (column("state"), column("reason")) == ([DeliveryState.FAILED], [Reason.TOO_LATE])
    assert len(ScriptedBackend.seen) == 1


def test_jitter(clock, script):
    """Messages that failed at the same time are retried at different times."""
    for _ in range(10):
        queued(UserFactory.create())
    script.extend([ConnectionRefusedError()] * 10)
    assert send_due() == Tally(unsent=10)
    waits = {(at - clock.now).total_seconds() for at in column("not_before")}
    assert len(waits) == 10
    assert 30 <= min(waits) < max(waits) <= 36


def test_ambiguous(pending, clock, script):
    """A message that may have been accepted is repeated once, unchanged; then it is unknown."""
    queued(pending)
    script.extend([DeadlineExceeded(), DeadlineExceeded()])
    assert send_due() == Tally(unsent=1)
    assert column("reason") == [Reason.DOUBTFUL]
    (not_before,) = column("not_before")
    assert 30 <= (not_before - clock.now).total_seconds() <= 36
    clock.now = not_before
    assert send_due() == Tally(unsent=1)
    (found,) = Delivery.objects.values()
    assert (found["state"], found["reason"]) == (DeliveryState.UNKNOWN, Reason.DOUBTFUL)
    assert (found["attempts"], found["doubts"], found["ended_at"]) == (2, 1, clock.now)
    assert found["error_class"] == "DeadlineExceeded"
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.UNKNOWN
    first, second = ScriptedBackend.seen
    assert token_in(first) == token_in(second)
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]
    clock.move(days=1)
    assert send_due() == Tally()


def test_an_ambiguous_attempt_then_an_accepted_one(pending, clock, script):
    """If the repeat is accepted, the message is sent; the ambiguous attempt stays counted."""
    queued(pending)
    script.append(DeadlineExceeded())
    send_due()
    clock.move(minutes=1)
    assert send_due() == Tally(sent=1)
    (found,) = Delivery.objects.values()
    assert (found["state"], found["reason"]) == (DeliveryState.SENT, Reason.NONE)
    assert (found["doubts"], found["error_class"]) == (1, "")


def test_asked_to_stop(script):
    """A courier that is asked to stop finishes the current message and claims no other."""
    for _ in range(3):
        queued(UserFactory.create())
    assert send_due(is_stopping=lambda: bool(ScriptedBackend.seen)) == Tally(sent=1)
    assert column("state") == [DeliveryState.SENT, DeliveryState.QUEUED, DeliveryState.QUEUED]
    assert column("attempts") == [1, 0, 0]


def test_accepted_after_all(pending, clock, script):
    """A successful retry clears the error of the first attempt."""
    delivery = queued(pending)
    script.append(ConnectionRefusedError())
    send_due()
    clock.move(minutes=1)
    assert send_due() == Tally(sent=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.SENT, Reason.NONE)
    assert (delivery.error_class, delivery.attempts) == ("", 2)


def test_silent_backend(pending, settings):
    """If a backend returns 0 without an error, the result is ambiguous."""
    through(settings, "tests.mailers.LosingBackend")
    delivery = queued(pending)
    assert send_due() == Tally(unsent=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.DOUBTFUL)


def test_a_backend_that_cannot_be_made(pending, settings, caplog):
    """If the backend cannot be imported, the message stays queued and sending is paused."""
    through(settings, "nowhere.EmailBackend")
    delivery = queued(pending)
    assert send_due() == Tally(unsent=1, paused=True)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.CONFIGURATION)
    # Django 6.1 raises its own error.
    error = "InvalidMailer" if django.VERSION >= (6, 1) else "ModuleNotFoundError"
    assert caplog.messages == [f"The e-mail settings do not work ({error}); sending is paused"]


# SMTP


class Mailbox:
    """An SMTP server's handler, which records commands and has replies set by the tests."""

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


def over_smtp(settings, port):
    through(settings, SMTP, host="127.0.0.1", port=port, timeout=10)


@pytest.fixture
def mailbox(settings):
    """A local SMTP server, to which Django's backend sends."""
    box = Mailbox()
    controller = Server(box)
    controller.start()
    over_smtp(settings, controller.port)
    yield box
    controller.stop()


def test_smtp(mailbox):
    """Each message has one recipient, and a batch is sent over one connection."""
    addressed = [
        "a@example.com",
        "Pending.Upper@Example.com",
        '"a,b"@example.com',
        "x@stra\u00dfe.de",
    ]
    for address in addressed:
        queued(UserFactory.create(email=address))
    assert send_due() == Tally(sent=4)
    assert [recipients for recipients, _ in mailbox.letters] == [
        ["a@example.com"],
        ["Pending.Upper@Example.com"],
        ['"a,b"@example.com'],
        ["x@xn--strae-oqa.de"],
    ]
    assert len(mailbox.peers) == 1
    assert "Auto-Submitted: auto-generated" in mailbox.letters[0][1]


def test_smtp_refuses_the_recipient(mailbox):
    """5xx after RCPT is permanent; the rest of the batch is sent."""
    for name in ("one", "two", "three"):
        queued(UserFactory.create(username=name))
    mailbox.answers["two@example.com"] = "550 no such user <two@example.com>"
    assert send_due() == Tally(sent=2, unsent=1)
    assert column("state") == [DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SENT]
    failed = Delivery.objects.get(state=DeliveryState.FAILED)
    assert (failed.reason, failed.error_code) == (Reason.REFUSED, "550")
    assert failed.error_class == "SMTPRecipientsRefused"
    assert failed.error_text == "550 no such user ..."
    assert failed.ended_at is not None
    assert [recipients for recipients, _ in mailbox.letters] == [
        ["one@example.com"],
        ["three@example.com"],
    ]


def test_smtp_puts_the_recipient_off(mailbox, pending):
    """4xx after RCPT, such as greylisting, is retried."""
    mailbox.answers["pending@example.com"] = "451 greylisted"
    delivery = queued(pending)
    assert send_due() == Tally(unsent=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NOT_ACCEPTED)
    assert delivery.error_code == "451"
    del mailbox.answers["pending@example.com"]
    Delivery.objects.update(not_before=delivery.asked_at)
    assert send_due() == Tally(sent=1)


def test_smtp_refuses_the_message(mailbox, pending):
    """5xx after DATA is permanent, as every 5xx in RFC 5321."""
    mailbox.data_answer = "554 looks like spam"
    delivery = queued(pending)
    assert send_due() == Tally(unsent=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, Reason.REFUSED)
    assert (delivery.error_class, delivery.error_code) == ("SMTPDataError", "554")


def test_no_smtp_server(settings, pending):
    """Without a server the message stays queued."""
    over_smtp(settings, free_port())
    delivery = queued(pending)
    assert send_due() == Tally(unsent=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NOT_ACCEPTED)
    assert delivery.error_class == "ConnectionRefusedError"


def test_smtp_cannot_carry_a_local_part_beyond_ascii(mailbox, pending):
    """A message to a local part that Django's backend would change is not sent."""
    queued(UserFactory.create(email="gr\u00fc\u00dfe@example.com"))
    queued(pending)
    assert send_due() == Tally(sent=1, unsent=1)
    assert column("state") == [DeliveryState.FAILED, DeliveryState.SENT]
    assert column("reason") == [Reason.UNSUPPORTED, Reason.NONE]
    assert mailbox.recipients == ["pending@example.com"]


# Changes between request and send


def suppress(user):
    digest = address_of("pending@example.com").digest("suppression")
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
def test_account_changed_before_the_send(pending, clock, script, meanwhile, state, reason, tried):
    """The account is read again before each attempt, and changes may end the delivery."""
    delivery = queued(pending)
    if tried:
        script.append(ConnectionRefusedError())
        send_due()
        clock.move(minutes=1)
    meanwhile(pending)
    sent_before = len(ScriptedBackend.seen)
    assert send_due() == Tally(skipped=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (state, reason)
    assert delivery.ended_at == clock.now
    assert len(ScriptedBackend.seen) == sent_before
    assert send_due() == Tally()


def test_suppressed_under_an_old_key(pending, settings):
    """A suppression stays effective after a rotation of the key."""
    suppress(pending)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    queued(pending)
    send_due()
    assert column("state") == [DeliveryState.SUPPRESSED]


def test_deleted_account(pending):
    """If an account is deleted, so are its deliveries."""
    queued(pending)
    pending.delete()
    assert send_due() == Tally()
    assert not Delivery.objects.exists()


def test_deleted_after_the_claim(pending, monkeypatch):
    """An account that is deleted between claim and send gets no message."""
    queued(pending)
    claim = claims.claim

    def claim_then_delete(owner):
        mine = claim(owner)
        get_user_model().objects.all().delete()
        return mine

    monkeypatch.setattr(claims, "claim", claim_then_delete)
    assert send_due() == Tally(skipped=1)
    assert mail.outbox == []


# Rows that cannot be processed


def test_poison(clock, monkeypatch, caplog):
    """Only the row that cannot be processed is postponed; the others are sent."""
    for name in ("first", "poison", "last"):
        queued(UserFactory.create(username=name))
    write = message.write

    def fail(delivery, confirmation, account, token):
        if account.username == "poison":
            raise RuntimeError("poison")
        return write(delivery, confirmation, account, token)

    monkeypatch.setattr(message, "write", fail)
    assert send_due() == Tally(sent=2, unsent=1)
    assert column("state") == [DeliveryState.SENT, DeliveryState.QUEUED, DeliveryState.SENT]
    assert "could not be processed" in caplog.text
    for _ in range(5):
        clock.now = Delivery.objects.order_by("pk")[1].not_before
        assert send_due() == Tally(unsent=1)
    poison = Delivery.objects.order_by("pk")[1]
    assert (poison.state, poison.reason) == (DeliveryState.FAILED, Reason.CRASHED)
    assert (poison.error_class, poison.attempts) == ("Crashed", 6)


# Signals


@pytest.fixture
def told(at_once):
    """The arguments of each ``delivery_changed`` signal."""
    heard = []

    def listen(sender, **given):
        assert sender is Delivery
        heard.append((given["delivery_id"], given["state"], given["reason"]))

    delivery_changed.connect(listen)
    yield heard
    delivery_changed.disconnect(listen)


def test_delivery_changed(pending, clock, script, told):
    """The signal is sent for each change of a delivery's state."""
    delivery = queued(pending)
    told.clear()
    script.extend([ConnectionRefusedError(), None])
    send_due()
    clock.move(minutes=1)
    send_due()
    assert told == [
        (delivery.pk, DeliveryState.SENDING, Reason.NONE),
        (delivery.pk, DeliveryState.QUEUED, Reason.NOT_ACCEPTED),
        (delivery.pk, DeliveryState.SENDING, Reason.NONE),
        (delivery.pk, DeliveryState.SENT, Reason.NONE),
    ]


def test_delivery_changed_without_a_message(pending, confirmed, clock, told):
    """The signal is also sent for ignored requests and abandoned deliveries."""
    client = clients.default()
    for identity in ("pending", "pending", "confirmed"):
        engine.resend(ResendRequest(identity=identity, client=client, quiet=CONCEALED))
    told.clear()
    engine.resolve()
    withdraw_it(pending)
    send_due()
    sent, early, other = column("pk")
    assert told == [
        (sent, DeliveryState.QUEUED, Reason.NONE),
        (early, DeliveryState.IGNORED, Reason.COOLING_DOWN),
        (other, DeliveryState.IGNORED, Reason.CONFIRMED),
        (sent, DeliveryState.SENDING, Reason.NONE),
        (sent, DeliveryState.ABANDONED, Reason.BLOCKED),
    ]


def test_a_receiver_that_fails(pending, caplog):
    """A receiver that fails does not affect the delivery's state."""

    def fail(sender, **given):
        raise RuntimeError

    delivery_changed.connect(fail)
    try:
        queued(pending)
        assert send_due() == Tally(sent=1)
    finally:
        delivery_changed.disconnect(fail)
    assert column("state") == [DeliveryState.SENT]


def test_one_connection_for_all_rounds(script, monkeypatch):
    """Rounds of one drain share a connection to the mail server."""
    opened: list[object] = []

    def note(self):
        opened.append(self)

    monkeypatch.setattr(ScriptedBackend, "open", note)
    for _ in range(3):
        queued(UserFactory.create())
    assert [done.sent for done in engine.rounds(1)] == [1, 1, 1, 0]
    assert len(opened) == 1

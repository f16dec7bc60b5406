"""The link: its page, its button and the redirect."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection, connections, transaction
from django.test import Client

from resend_confirmation import clients, engine, start, tokens, withdraw
from resend_confirmation.accounts import ConfirmationStore
from resend_confirmation.courier import Tally, links, send_due
from resend_confirmation.dialects.base import ResendView
from resend_confirmation.engine import Result
from resend_confirmation.limits import cooldown
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import ConfirmationState, DeliveryState, Outcome, Verdict
from resend_confirmation.signals import confirmed as confirmed_signal

from .factories import UserFactory, address_of

pytestmark = [pytest.mark.django, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
LANDING = "https://game.example/callback"
PAGE = "/confirm/"
NEW = "/confirm/new/"


def linked(user, redirect=LANDING, **given):
    """Send a message to ``user`` and return its token."""
    Cooldown.objects.all().delete()
    start(user, redirect=redirect, **given)
    return carried()


def carried():
    """Send the queued message and return its token."""
    before = len(mail.outbox)
    assert send_due() == Tally(sent=1)
    (link,) = re.findall(r"https://\S+/confirm/\?\S+", str(mail.outbox[before].body))
    (token,) = parse_qs(urlsplit(link).query)["token"]
    return token


@pytest.fixture
def token(pending):
    """The token of the message to pending@example.com."""
    return linked(pending)


@pytest.fixture
def heard():
    """The confirmations that were sent with the signal ``confirmed``."""
    told = []

    def listen(sender, **given):
        assert sender is Confirmation
        assert connection.in_atomic_block
        told.append((given["confirmation"].pk, given["confirmation"].state, given["user"].pk))

    confirmed_signal.connect(listen)
    yield told
    confirmed_signal.disconnect(listen)


def state():
    return Confirmation.objects.get().state


def rows():
    """Return all rows that opening a link could change."""
    models = (Confirmation, Cooldown, Delivery, get_user_model())
    return [list(model.objects.order_by("pk").values()) for model in models]


def title(response):
    found = re.search(r"<h1>(.*?)</h1>", response.content.decode())
    assert found is not None
    return found[1]


READY = "Confirm your e-mail address"
THANKS = "Thank you"
ALREADY = "Already confirmed"
EXPIRED = "This link has expired"
SENT = "A new link is on its way"
INVALID = "This link is not valid"


# The engine


def test_confirm(clock, token, pending, heard):
    """A token confirms the address once, and the signal is sent once."""
    opened = engine.inspect(token)
    assert (opened.verdict, opened.delivery) == (Verdict.READY, Delivery.objects.get())
    opened = engine.confirm(token)
    assert opened.verdict is Verdict.CONFIRMED
    assert opened.account is not None
    assert opened.account.user == pending
    confirmation = Confirmation.objects.get()
    assert (confirmation.state, confirmation.confirmed_at) == (ConfirmationState.CONFIRMED, NOON)
    assert heard == [(confirmation.pk, ConfirmationState.CONFIRMED, pending.pk)]
    assert engine.inspect(token).verdict is Verdict.ALREADY
    assert engine.confirm(token).verdict is Verdict.ALREADY
    assert len(heard) == 1


def test_life(clock, token):
    """A link is valid for 24 hours."""
    clock.move(hours=23, minutes=59, seconds=59)
    assert engine.inspect(token).verdict is Verdict.READY
    clock.move(seconds=1)
    assert engine.inspect(token).verdict is Verdict.EXPIRED
    assert engine.confirm(token).verdict is Verdict.EXPIRED
    assert state() == ConfirmationState.PENDING


def test_older_links_stay_good(pending, clock):
    """An older link stays valid until it expires, even if there is a newer one."""
    old = linked(pending)
    clock.move(hours=13)
    new = linked(pending)
    assert old != new
    clock.move(hours=10)
    verdicts = [engine.inspect(each).verdict for each in (old, new)]
    assert verdicts == [Verdict.READY, Verdict.READY]
    clock.move(hours=2)
    verdicts = [engine.inspect(each).verdict for each in (old, new)]
    assert verdicts == [Verdict.EXPIRED, Verdict.READY]


def test_a_repeated_link_belongs_to_the_newest_delivery(token, pending):
    """A link that several deliveries share counts as the newest delivery's."""
    assert linked(pending) == token
    opened = engine.inspect(token)
    assert opened.delivery == Delivery.objects.latest("pk")


def test_newest(pending, change):
    """With the policy ``newest`` a new link invalidates the old one."""
    change(LINK_POLICY="newest")
    old, new = linked(pending), linked(pending)
    verdicts = [engine.inspect(each).verdict for each in (old, new)]
    assert verdicts == [Verdict.DEAD, Verdict.READY]
    assert engine.confirm(old).verdict is Verdict.DEAD
    assert engine.confirm(new).verdict is Verdict.CONFIRMED


def withdraw_it(user):
    withdraw(Confirmation.objects.get())


def withdraw_and_restart(user):
    withdraw(Confirmation.objects.get())
    start(user, send=False)


def deactivate(user):
    get_user_model().objects.update(is_active=False)


def move_away(user):
    get_user_model().objects.update(email="new@example.com")


def move_to_a_neighbour(user):
    get_user_model().objects.update(email="pending@example.org")


def spoil(user):
    get_user_model().objects.update(email="no address at all")
    Confirmation.objects.update(address="no address at all")


@pytest.mark.parametrize(
    "meanwhile",
    [withdraw_it, withdraw_and_restart, deactivate, move_away, move_to_a_neighbour, spoil],
)
def test_dead(token, pending, meanwhile, heard):
    """Withdrawal, deactivation or a change of address invalidates the link permanently."""
    meanwhile(pending)
    before = rows()
    assert engine.inspect(token).verdict is Verdict.DEAD
    assert engine.confirm(token).verdict is Verdict.DEAD
    assert engine.renew(token) is None
    assert (rows(), heard) == (before, [])


def test_a_neighbouring_domain(db):
    """A link sent to stra\u00dfe.de does not confirm strasse.de, which has another owner."""
    user = UserFactory.create(email="x@stra\u00dfe.de")
    token = linked(user)
    user.email = "x@strasse.de"
    user.save()
    assert engine.confirm(token).verdict is Verdict.DEAD


def test_another_way_of_writing(token, pending):
    """The link stays valid if only the case of the account's address changes."""
    pending.email = "Pending@Example.COM"
    pending.save()
    assert engine.confirm(token).verdict is Verdict.CONFIRMED


def test_deleted(token, pending):
    """The link of a deleted account is unknown."""
    pending.delete()
    assert engine.inspect(token).verdict is Verdict.FOREIGN


FOREIGN = {
    "nothing": "",
    "a word": "token",
    "42 characters": "a" * 42,
    "43 characters": "a" * 43,
    "44 characters": "a" * 44,
    "a line break behind": "a" * 43 + "\n",
    "padding": "a" * 42 + "=",
    "standard base64": "a" * 41 + "+/",
    "a space": "a" * 42 + " ",
    "NUL": "a" * 42 + "\x00",
    "a surrogate": "a" * 42 + "\ud800",
    "full-width letters": "\uff41" * 43,
    "Arabic digits": "\u0661" * 43,
    "1 MB": "a" * 1_000_000,
}


@pytest.mark.parametrize("typed", FOREIGN.values(), ids=FOREIGN)
def test_foreign(token, typed):
    """A token that was never sent is foreign: it reveals and changes nothing."""
    before = rows()
    for opened in (engine.inspect(typed), engine.confirm(typed)):
        assert (opened.verdict, opened.delivery, opened.account) == (Verdict.FOREIGN, None, None)
        assert opened.confirmation is None
    assert engine.renew(typed) is None
    assert rows() == before


def test_a_token_that_was_never_sent(token):
    """A well-formed token of a generation that was not sent is foreign."""
    confirmation = Confirmation.objects.get()
    made = tokens.make(confirmation.selector, 2, "pending@example.com")
    assert engine.confirm(made).verdict is Verdict.FOREIGN


def test_the_digest_alone_is_not_enough(token):
    """Write access to the rows is not enough to create a link: the key is needed."""
    forged = "f" * 43
    Delivery.objects.update(token_digest=tokens.digest(forged))
    assert engine.confirm(forged).verdict is Verdict.DEAD


def test_rotation(token, settings):
    """A link is valid as long as its key is current or a fallback."""
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    assert engine.inspect(token).verdict is Verdict.DEAD
    settings.SECRET_KEY_FALLBACKS = [old]
    assert engine.confirm(token).verdict is Verdict.CONFIRMED


def test_rotation_in_the_second_half(pending, settings, clock):
    """After a change of the key a resend has a new link, and the earlier one stays valid."""
    old = linked(pending)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    new = linked(pending)
    assert new != old
    assert [engine.inspect(each).verdict for each in (old, new)] == [Verdict.READY] * 2
    assert engine.confirm(old).verdict is Verdict.CONFIRMED
    assert engine.confirm(new).verdict is Verdict.ALREADY


def test_rotation_keeps_cooldowns(pending, settings, clock):
    """A change of the key does not restart a cooldown while the old key is a fallback."""
    request = engine.ResendRequest(identity="pending@example.com", client=clients.default())
    assert engine.resend(request).ending is Outcome.SENT
    clock.move(seconds=20)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    result = engine.resend(request)
    assert (result.ending, result.retry_after) == (Outcome.COOLING_DOWN, 40)
    unknown = cooldown.take("nobody@example.com")
    assert unknown == 0
    clock.move(seconds=40)
    assert engine.resend(request).ending is Outcome.SENT
    assert sorted(Cooldown.objects.values_list("hour_count", flat=True)) == [1, 2]
    settings.SECRET_KEY_FALLBACKS = []
    clock.move(seconds=59)
    assert engine.resend(request).ending is Outcome.COOLING_DOWN


def test_rotation_of_two_rows(settings, clock):
    """If the old and the new key both have a row, that of the new key counts."""
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    assert cooldown.take("jane@example.com") == 0
    clock.move(seconds=20)
    new, settings.SECRET_KEY = settings.SECRET_KEY, old
    assert cooldown.take("jane@example.com") == 0
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    assert cooldown.take("jane@example.com") == 40
    assert Cooldown.objects.count() == 2


def test_rotation_keeps_suppressions(pending, settings):
    """An address that was suppressed under the old key stays suppressed under the new key."""
    digest = address_of("pending@example.com").digest("suppression")
    Suppression.objects.create(digest=digest, why="bounced", since=NOON)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    start(pending)
    send_due()
    assert Delivery.objects.get().state == DeliveryState.SUPPRESSED
    settings.SECRET_KEY_FALLBACKS = []
    start(pending)
    Delivery.objects.update(not_before=NOON.replace(year=2020))
    send_due()
    assert Delivery.objects.latest("pk").state == DeliveryState.SENT


def test_a_receiver_that_fails(token, pending):
    """An error in a receiver undoes the confirmation, and the button can be pressed again."""

    def fail(sender, **given):
        get_user_model().objects.update(first_name="changed")
        raise RuntimeError("the host's own")

    confirmed_signal.connect(fail)
    try:
        with pytest.raises(RuntimeError, match="the host's own"):
            engine.confirm(token)
    finally:
        confirmed_signal.disconnect(fail)
    assert state() == ConfirmationState.PENDING
    pending.refresh_from_db()
    assert pending.first_name == ""
    assert engine.confirm(token).verdict is Verdict.CONFIRMED


def test_flag(change, heard):
    """With FlagStore the button activates the account, and a receiver may save the user."""
    change(ACCOUNTS="resend_confirmation.accounts.FlagStore")
    user = UserFactory.create(is_active=False)
    token = linked(user)

    def save(sender, **given):
        given["user"].first_name = "saved"
        given["user"].save()

    confirmed_signal.connect(save)
    try:
        assert engine.confirm(token).verdict is Verdict.CONFIRMED
    finally:
        confirmed_signal.disconnect(save)
    user.refresh_from_db()
    assert (user.is_active, user.first_name) == (True, "saved")
    assert engine.confirm(token).verdict is Verdict.ALREADY
    user.is_active = False
    user.save()
    assert engine.confirm(token).verdict is Verdict.ALREADY
    user.refresh_from_db()
    assert user.is_active is False


def test_flag_confirmed_otherwise(change):
    """With FlagStore an account that the host activated is already confirmed."""
    change(ACCOUNTS="resend_confirmation.accounts.FlagStore")
    user = UserFactory.create(is_active=False)
    token = linked(user)
    get_user_model().objects.update(is_active=True)
    assert engine.confirm(token).verdict is Verdict.ALREADY


def test_by_hand(pending, confirmed, heard):
    """Staff can confirm a pending account without a link, once."""
    confirmation = Confirmation.objects.get()
    assert engine.confirm_by_hand(confirmation) is True
    assert engine.confirm_by_hand(confirmation) is False
    assert len(heard) == 1
    assert state() == ConfirmationState.CONFIRMED


@pytest.mark.parametrize("meanwhile", [withdraw_it, withdraw_and_restart, deactivate, move_away])
def test_not_by_hand(pending, meanwhile, heard):
    """Staff cannot confirm if the confirmation was withdrawn or the account has changed."""
    confirmation = Confirmation.objects.get()
    meanwhile(pending)
    assert engine.confirm_by_hand(confirmation) is False
    assert heard == []


def test_renew(pending, clock):
    """An expired link is renewed for the same account and redirect, subject to the cooldown."""
    token = linked(pending, dialect="acme", client="arcade", redirect="https://arcade.example/a")
    Delivery.objects.update(client_state="s", payload="p", language="de")
    clock.move(hours=24)
    assert engine.renew(token) == Result(Outcome.SENT, "pending@example.com", "pending@example.com")
    assert engine.renew(token) == Result(Outcome.COOLING_DOWN, retry_after=60)
    old, new = Delivery.objects.order_by("pk")
    for name in ("confirmation", "dialect", "client", "redirect", "client_state", "payload"):
        assert getattr(new, name) == getattr(old, name)
    assert (new.language, new.state, new.token_digest) == ("de", DeliveryState.QUEUED, "")
    renewed = carried()
    assert renewed != token
    assert engine.confirm(renewed).verdict is Verdict.CONFIRMED


def test_renew_a_link_that_is_not_expired(token):
    """A valid or used link is not renewed."""
    assert engine.renew(token) is None
    engine.confirm(token)
    assert engine.renew(token) is None
    assert Delivery.objects.count() == 1


def test_renew_too_late(token, pending, clock, monkeypatch):
    """After a withdrawal in the last moment the link is not renewed, and no slot is taken."""
    clock.move(hours=24)
    take = cooldown.take

    def take_and_withdraw(*given):
        waits = take(*given)
        withdraw_it(pending)
        return waits

    before = list(Cooldown.objects.values())
    monkeypatch.setattr(cooldown, "take", take_and_withdraw)
    assert engine.renew(token) is None
    assert (list(Cooldown.objects.values()), Delivery.objects.count()) == (before, 1)


def test_disown_too_late(token, monkeypatch):
    """If an address is confirmed at the same moment, "not me" does not withdraw it."""

    def confirm_first(confirmation):
        engine.confirm(token)
        return withdraw(confirmation)

    monkeypatch.setattr("resend_confirmation.engine.confirmation.withdraw", confirm_first)
    assert engine.disown(token).verdict is Verdict.ALREADY
    assert Confirmation.objects.get().disowned_at is None


# The pages


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_changes_nothing(token, client, method, heard):
    """Mail scanners open links: GET, HEAD and OPTIONS change nothing."""
    before = rows()
    response = getattr(client, method)(f"{PAGE}?token={token}")
    assert response.status_code == (405 if method == "options" else 200)
    assert (rows(), heard) == (before, [])


def test_button(token, client):
    """The page shows a button, but nothing about the account."""
    response = client.get(PAGE, {"token": token})
    text = response.content.decode()
    assert title(response) == READY
    assert re.search(r'<form method="post" action="/confirm/">', text)
    assert f'<input type="hidden" name="token" value="{token}">' in text
    assert "pending" not in text


def test_press(token, client, heard):
    """The button confirms, and redirects to the client's registered URL."""
    response = client.post(PAGE, {"token": token})
    assert response.status_code == 303
    assert response["Location"] == "https://game.example/callback"
    assert response.content == b""
    assert state() == ConfirmationState.CONFIRMED
    assert len(heard) == 1


def test_press_without_a_landing(pending, client, change):
    """Without a redirect the button ends on our own page."""
    change(CLIENTS=[{"name": "default"}])
    response = client.post(PAGE, {"token": linked(pending, redirect="")})
    assert (response.status_code, title(response)) == (200, THANKS)
    assert state() == ConfirmationState.CONFIRMED


def test_press_again(token, client, heard):
    """A used link shows "already confirmed" and a link to the redirect, after a reload too."""
    client.post(PAGE, {"token": token})
    for response in (client.get(PAGE, {"token": token}), client.post(PAGE, {"token": token})):
        assert (response.status_code, title(response)) == (200, ALREADY)
        assert '<a href="https://game.example/callback" rel="noreferrer">' in (
            response.content.decode()
        )
        assert "<form" not in response.content.decode()
    assert len(heard) == 1


def test_token_in_the_query_of_a_post(token, client):
    """The button's token is read from the body: a POST with a token in the query is a 404."""
    response = client.post(f"{PAGE}?token={token}")
    assert (response.status_code, title(response)) == (404, INVALID)
    assert state() == ConfirmationState.PENDING


class CountingStore(ConfirmationStore):
    """A host's store that counts the calls of ``confirm``."""

    marked: ClassVar[list[int]] = []

    def confirm(self, account):
        self.marked.append(account.user.pk)
        return super().confirm(account)


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_pressed_many_times_at_once(pending, heard, change):
    """Of 50 simultaneous presses one confirms; the others get "already confirmed"."""
    change(ACCOUNTS="tests.test_link.CountingStore")
    CountingStore.marked.clear()
    token = linked(pending)
    many = 50
    barrier = Barrier(many)

    def press(place):
        try:
            connection.ensure_connection()
            barrier.wait(60)
            response = Client().post(PAGE, {"token": token})
            return response.status_code, response.content and title(response)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(many) as pool:
        answers = Counter(pool.map(press, range(many)))
    assert answers == {(303, b""): 1, (200, ALREADY): many - 1}
    assert len(heard) == 1
    assert CountingStore.marked == [pending.pk]


PREFETCHES = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"X-Moz": "prefetch"},
    {"X-Purpose": "preview"},
    {"User-Agent": "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))"},
]


@pytest.mark.parametrize("headers", PREFETCHES, ids=str)
def test_prefetch_changes_nothing(token, client, headers, heard):
    """Prefetching browsers, previews and scanners change nothing."""
    before = rows()
    assert client.get(PAGE, {"token": token}, headers=headers).status_code == 200
    assert client.head(f"{PAGE}?token={token}", headers=headers).status_code == 200
    assert (rows(), heard) == (before, [])


def test_expired_page(clock, token, client):
    """The button on the page of an expired link sends a new link, which works."""
    clock.move(hours=24)
    response = client.get(PAGE, {"token": token})
    text = response.content.decode()
    assert (response.status_code, title(response)) == (410, EXPIRED)
    assert '<form method="post" action="/confirm/new/">' in text
    assert f'<input type="hidden" name="token" value="{token}">' in text
    assert client.post(PAGE, {"token": token}).status_code == 410
    response = client.post(NEW, {"token": token})
    assert (response.status_code, response["Location"]) == (303, "/confirm/sent/?language=en")
    assert title(client.get(response["Location"])) == SENT
    assert client.post(PAGE, {"token": carried()}).status_code == 303
    assert state() == ConfirmationState.CONFIRMED


def test_expired_page_too_soon(pending, client, clock):
    """A second request for a new link within the cooldown shows how long to wait."""
    token = linked(pending)
    clock.move(hours=24)
    client.post(NEW, {"token": token})
    clock.move(seconds=59)
    before = rows()
    response = client.post(NEW, {"token": token})
    text = response.content.decode()
    assert (response.status_code, response["Retry-After"]) == (429, "1")
    assert title(response) == EXPIRED
    assert "Please try again in 1 second." in text
    assert '<form method="post" action="/confirm/new/">' in text
    assert rows() == before


@pytest.mark.parametrize(
    ("meanwhile", "status", "heading"),
    [(None, 200, READY), (withdraw_it, 410, INVALID), (deactivate, 410, INVALID)],
)
def test_new_link_without_an_expired_one(token, pending, client, meanwhile, status, heading):
    """A request to renew a valid or dead link shows that link's page."""
    if meanwhile:
        meanwhile(pending)
    before = rows()
    response = client.post(NEW, {"token": token})
    assert (response.status_code, title(response)) == (status, heading)
    assert rows() == before


@pytest.mark.parametrize("meanwhile", [withdraw_it, withdraw_and_restart, deactivate, move_away])
def test_dead_page(token, pending, client, meanwhile):
    """The page of a dead link only offers to request a new message."""
    meanwhile(pending)
    before = rows()
    for response in (client.get(PAGE, {"token": token}), client.post(PAGE, {"token": token})):
        assert (response.status_code, title(response)) == (410, INVALID)
        assert re.findall('action="([^"]*)"', response.content.decode()) == ["/confirm/request/"]
    assert rows() == before


@pytest.mark.parametrize("typed", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("path", [PAGE, NEW])
def test_foreign_page(token, client, path, typed):
    """A POST with a token that was never sent gets the 404 page, whatever the token."""
    body = "token=" + quote(typed, safe="", errors="surrogatepass")
    response = client.post(path, body, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, title(response)) == (404, INVALID)


@pytest.mark.parametrize(
    "query", ["", "token=", "token=%00", "token=%ed%a0%80", "token=%ff", "token", "token=a&token=b"]
)
def test_foreign_query(token, client, query):
    """A GET with a broken query gets the 404 page."""
    response = client.get(f"{PAGE}?{query}")
    assert (response.status_code, title(response)) == (404, INVALID)


def test_unknown_token_is_not_shown(client, db):
    """The page does not show a foreign token, so links cannot put text into it."""
    response = client.get(PAGE, {"token": "<script>alert(1)</script>"})
    assert b"alert" not in response.content


HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def assert_sealed(response):
    assert {name: response[name] for name in HEADERS} == HEADERS
    policy = response["Content-Security-Policy"]
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives.pop("form-action").startswith("'self'")
    assert directives == {
        "default-src": "'none'",
        "style-src": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "unsafe" not in policy
    assert not response.cookies
    assert "Vary" not in response or "Cookie" not in response["Vary"]


def test_headers(client, clock, pending):
    """The headers of every response forbid caching, referrers, frames and inline content."""
    expired = linked(pending)
    clock.move(hours=25)
    ready = linked(pending)
    responses = [
        client.get(PAGE, {"token": ready}),
        client.head(PAGE, {"token": ready}),
        client.options(PAGE),
        client.put(PAGE),
        client.get(PAGE, {"token": expired}),
        client.get(PAGE, {"token": "foreign"}),
        client.get(NEW),
        client.post(NEW, {"token": expired}),
        client.post(PAGE, {"token": ready}),
        client.post(PAGE, {"token": ready}),
    ]
    statuses = [response.status_code for response in responses]
    assert statuses == [200, 200, 405, 405, 410, 404, 405, 429, 303, 200]
    for response in responses:
        assert_sealed(response)


def test_nothing_inline(token, client):
    """A page has no script or inline style, and only loads our stylesheet."""
    text = client.get(PAGE, {"token": token}).content.decode()
    assert "<script" not in text
    assert "<style" not in text
    assert not re.search(r"\s(style|on\w+)=", text)
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["/confirm/style.css"]


def test_style(client):
    """The stylesheet can be cached, and loads nothing."""
    response = client.get("/confirm/style.css")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/css; charset=utf-8"
    assert response["Cache-Control"] == "public, max-age=3600"
    assert b"button {" in response.content
    assert b"url(" not in response.content


def form_action(response):
    return re.findall(r"form-action ([^;]*)", response["Content-Security-Policy"])


@pytest.mark.parametrize(
    ("redirect", "action"),
    [
        ("https://arcade.example/a", "'self' https://arcade.example"),
        ("https://arcade.example/b?keep=1", "'self' https://arcade.example"),
    ],
)
def test_form_action(pending, client, redirect, action):
    """``form-action`` allows the redirect's origin, since browsers apply it to redirects too."""
    token = linked(pending, client="arcade", redirect=redirect)
    assert form_action(client.get(PAGE, {"token": token})) == [action]
    response = client.post(PAGE, {"token": token})
    assert response["Location"] == redirect


def test_an_apps_scheme(pending, client):
    """For an app's own scheme the page has a link instead of a redirect."""
    redirect = "app://xlogin.com.example.arcade"
    token = linked(pending, client="arcade", redirect=redirect)
    assert form_action(client.get(PAGE, {"token": token})) == ["'self'"]
    response = client.post(PAGE, {"token": token})
    assert (response.status_code, title(response)) == (200, THANKS)
    assert f'<a href="{redirect}" rel="noreferrer">' in response.content.decode()
    for response in (client.get(PAGE, {"token": token}), client.post(PAGE, {"token": token})):
        assert title(response) == ALREADY
        assert f'<a href="{redirect}" rel="noreferrer">' in response.content.decode()


def test_form_action_without_a_landing(client, db):
    """Without a redirect ``form-action`` only allows our own site."""
    assert form_action(client.get(PAGE, {"token": "foreign"})) == ["'self'"]


def test_form_action_cannot_be_widened(pending, client, change):
    """A redirect's path cannot add sources to ``form-action``; its port is kept."""
    change(CLIENTS=[{"name": "a", "redirects": ["http://localhost:8000/x;y'unsafe'?a=b"]}])
    token = linked(pending, client="a", redirect="http://localhost:8000/x;y'unsafe'?a=b")
    assert form_action(client.get(PAGE, {"token": token})) == ["'self' http://localhost:8000"]


def test_own_pages(pending, client, change, clock):
    """A client's page for a verdict takes precedence over its redirect."""
    pages = {"confirmed": "https://own.example/yes", "expired": "https://own.example/late"}
    change(CLIENTS=[{"name": "a", "redirects": ["https://a.example/"], "pages": pages}])
    token = linked(pending, client="a", redirect="")
    response = client.get(PAGE, {"token": token})
    assert form_action(response) == ["'self' https://own.example"]
    clock.move(hours=24)
    assert 'href="https://own.example/late"' in client.get(PAGE, {"token": token}).content.decode()
    clock.move(hours=-24)
    assert client.post(PAGE, {"token": token})["Location"] == "https://own.example/yes"


def test_a_redirect_that_is_registered_no_more(pending, client, change):
    """A redirect that is no longer registered is not used: the press ends on our own page."""
    token = linked(pending, client="arcade", redirect="https://arcade.example/a")
    change(CLIENTS=[{"name": "arcade", "redirects": {"x": "https://arcade.example/a"}}])
    response = client.post(PAGE, {"token": token})
    assert (response.status_code, title(response)) == (200, THANKS)


def test_a_client_that_is_gone(token, client, change):
    """A link of a client that was removed still confirms, and ends on our own page."""
    change(CLIENTS=[{"name": "other", "redirects": ["https://other.example/"]}])
    response = client.post(PAGE, {"token": token})
    assert (response.status_code, title(response)) == (200, THANKS)


@pytest.fixture
def lost(monkeypatch):
    """A dialect whose ``landing`` fails."""

    def landing(cls, opened, client, url):
        raise RuntimeError("no key to sign with")

    monkeypatch.setattr(ResendView, "landing", classmethod(landing))


def test_a_dialect_that_cannot_say_where_to_land(token, client, lost, caplog):
    """The address is confirmed even if the dialect cannot build the redirect."""
    response = client.get(PAGE, {"token": token})
    assert (response.status_code, title(response)) == (200, READY)
    assert form_action(response) == ["'self'"]
    response = client.post(PAGE, {"token": token})
    assert (response.status_code, title(response)) == (200, THANKS)
    assert state() == ConfirmationState.CONFIRMED
    assert "No landing URL" in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize(
    ("what", "name", "said"),
    [
        ("client", "old", "client 'old'"),
        ("redirect", "7", "redirect '7'"),
        ("client", "", None),
        ("redirect", "", None),
    ],
)
def test_a_landing_that_is_registered_no_more(token, client, caplog, what, name, said):
    """The log names the client or redirect that is no longer in the settings."""
    Delivery.objects.update(**{what: name})
    assert title(client.post(PAGE, {"token": token})) == THANKS
    line = f"The {said} is no longer in CLIENTS; the browser stays on this site's own page"
    assert set(caplog.messages) == ({line} if said else set())


@pytest.mark.parametrize(("dialect", "said"), [("sign-upp", 1), ("", 0)])
def test_a_dialect_that_is_not_mounted(token, client, caplog, dialect, said):
    """If the dialect is not mounted, the link redirects as without one and logs a warning."""
    Delivery.objects.update(dialect=dialect)
    response = client.post(PAGE, {"token": token})
    assert (response.status_code, response["Location"]) == (303, "https://game.example/callback")
    assert (
        caplog.messages
        == [
            "The dialect 'sign-upp' is not mounted; its links redirect like links without a dialect"
        ][:said]
    )


def test_a_dialect_may_end_on_our_page(token, client, monkeypatch):
    """If a dialect returns no URL, the press ends on our own page."""
    monkeypatch.setattr(ResendView, "landing", classmethod(lambda *args: None))
    assert title(client.post(PAGE, {"token": token})) == THANKS


@pytest.mark.parametrize("logged_in", [False, True])
def test_statements(token, client, confirmed, logged_in, django_assert_num_queries):
    """A page reads the delivery and the account, but not the session."""
    if logged_in:
        client.force_login(confirmed)
    with django_assert_num_queries(2) as queries:
        client.get(PAGE, {"token": token})
    assert not any("django_session" in query["sql"] for query in queries)
    # Two to look up the link, two for the savepoint, two to lock and read the account, the
    # conditional UPDATE, the comparison of the addresses, and the updated row.
    with django_assert_num_queries(9) as queries:
        client.post(PAGE, {"token": token})
    assert not any("django_session" in query["sql"] for query in queries)
    with django_assert_num_queries(0):
        client.get(PAGE, {"token": "foreign"})
        client.get("/confirm/style.css")


def test_confirming_does_not_log_in(token, client):
    """Confirming does not log in."""
    response = client.post(PAGE, {"token": token})
    assert not response.cookies
    assert "_auth_user_id" not in client.session


def test_confirming_keeps_the_session(token, client, confirmed):
    """Confirming does not change the session of a visitor who is logged in to another account."""
    client.force_login(confirmed)
    client.post(PAGE, {"token": token})
    assert client.session["_auth_user_id"] == str(confirmed.pk)


def test_login_required_middleware(clock, token, client, settings):
    """The link's pages work without a login, even with LoginRequiredMiddleware."""
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert client.get("/confirm/style.css").status_code == 200
    assert title(client.get(PAGE, {"token": token})) == READY
    clock.move(hours=24)
    assert title(client.post(NEW, {"token": token}, follow=True)) == SENT
    assert client.post(PAGE, {"token": carried()}).status_code == 303


def test_csrf(token, pending):
    """The token authorizes the form, so no CSRF cookie is needed or set."""
    strict = Client(enforce_csrf_checks=True)
    response = strict.get(PAGE, {"token": token})
    assert "csrf" not in response.content.decode().lower()
    assert strict.post(PAGE, {"token": token}).status_code == 303


def test_any_host_name(token, client):
    """A link is built from BASE_URL; its page answers under any Host header."""
    assert client.get(PAGE, {"token": token}, headers={"host": "evil.example"}).status_code == 200
    (letter,) = mail.outbox
    assert "https://site.example/confirm/?token=" in str(letter.body)


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_behind_the_page(pending, client, caplog):
    """If a receiver fails, the page is a 500, nothing is confirmed, and the link stays valid."""
    token = linked(pending)

    def fail(sender, **given):
        raise RuntimeError("the host's own")

    client.raise_request_exception = False
    confirmed_signal.connect(fail)
    try:
        assert client.post(PAGE, {"token": token}).status_code == 500
    finally:
        confirmed_signal.disconnect(fail)
    assert state() == ConfirmationState.PENDING
    assert client.post(PAGE, {"token": token}).status_code == 303


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_on_commit_of_a_receiver(pending, client):
    """A receiver's ``on_commit`` hook runs once, after the confirmation is committed."""
    token = linked(pending)
    seen = []

    def later(sender, **given):
        transaction.on_commit(lambda: seen.append(state()))

    confirmed_signal.connect(later)
    try:
        client.post(PAGE, {"token": token})
        client.post(PAGE, {"token": token})
    finally:
        confirmed_signal.disconnect(later)
    assert seen == [ConfirmationState.CONFIRMED]


# "Not me", and requests for a new message


def test_not_me(token, pending, client):
    """A recipient's "not me" withdraws the confirmation, by POST only, and is recorded."""
    before = rows()
    assert client.get("/confirm/not-me/", {"token": token}).status_code == 405
    assert client.head(f"/confirm/not-me/?token={token}").status_code == 405
    assert rows() == before
    page = client.get(PAGE, {"token": token}).content.decode()
    assert '<section id="not-me">' in page
    assert '<form method="post" action="/confirm/not-me/">' in page
    response = client.post("/confirm/not-me/", {"token": token}, follow=True)
    assert title(response) == "Thank you for telling us"
    confirmation = Confirmation.objects.get()
    assert confirmation.state == ConfirmationState.WITHDRAWN
    assert confirmation.disowned_at is not None
    for path in (PAGE, "/confirm/not-me/"):
        response = client.post(path, {"token": token})
        assert (response.status_code, title(response)) == (410, INVALID)
    start(pending, send=False)
    assert Confirmation.objects.get().disowned_at is None


def test_not_me_with_an_expired_link(clock, token, client):
    """A recipient can say "not me" with an expired link too."""
    clock.move(hours=24)
    response = client.post("/confirm/not-me/", {"token": token}, follow=True)
    assert title(response) == "Thank you for telling us"
    assert state() == ConfirmationState.WITHDRAWN


def test_not_me_after_a_confirmation(token, client):
    """A recipient's "not me" does not withdraw a confirmed address."""
    client.post(PAGE, {"token": token})
    assert title(client.post("/confirm/not-me/", {"token": token})) == ALREADY
    assert state() == ConfirmationState.CONFIRMED


def test_two_accounts_with_one_address(client, clock):
    """Messages and pages identify the account by its masked user name and date of sign-up."""
    users = [
        UserFactory.create(username=name, email="ann@example.com") for name in ("ann", "mallory")
    ]
    seen = []
    for user in users:
        token = linked(user)
        body = str(mail.outbox[-1].body).replace(token, "")
        letter: Any = mail.outbox[-1]
        html = letter.alternatives[0][0]
        assert f'/confirm/?token={token}#not-me"' in html
        ready = client.get(PAGE, {"token": token})
        client.post(PAGE, {"token": token})
        already = client.get(PAGE, {"token": token})
        seen += [body, *(page.content.decode().replace(token, "") for page in (ready, already))]
        clock.move(days=1)
    assert len(set(seen)) == 6
    assert all("Account a*n, signed up on Jan. 1, 2030." in text for text in seen[:3])
    assert all("Account m*****y, signed up on Jan. 2, 2030." in text for text in seen[3:])
    assert not any("mallory" in text for text in seen)


ASKED = "Check your inbox"


@pytest.mark.parametrize("typed", ["pending@example.com\t", "nobody@example.com", "\x00", ""])
def test_ask_for_a_new_message(client, pending, typed):
    """The form on the page of an invalid link gives the same response for every input."""
    page = client.get(PAGE, {"token": "x" * 43}).content.decode()
    assert '<form method="post" action="/confirm/request/">' in page
    assert '<label for="address">' in page
    response = client.post("/confirm/request/", {"address": typed})
    assert (response.status_code, response["Location"]) == (303, "/confirm/asked/?language=en")
    assert title(client.get(response["Location"])) == ASKED
    engine.drain()
    assert [letter.to for letter in mail.outbox] == (
        [["pending@example.com"]] if typed.startswith("pending") else []
    )


def test_asking_too_often(client, pending, change):
    """The form shows that it is throttled, but not that a cooldown applies."""
    change(THROTTLE="2/m")
    for _ in range(2):
        assert client.post("/confirm/request/", {"address": pending.email}).status_code == 303
    response = client.post("/confirm/request/", {"address": pending.email})
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60
    assert "Too many attempts." in response.content.decode()
    engine.drain()
    assert len(mail.outbox) == 1


def test_asking_from_a_dead_link(client, pending, change):
    """A message requested on the page of a dead link is sent for the link's client."""
    token = linked(pending, client="arcade", redirect="https://arcade.example/a", dialect="acme")
    withdraw(Confirmation.objects.get())
    start(pending, client="arcade", send=False)
    Cooldown.objects.all().delete()
    client.post("/confirm/request/", {"address": pending.email, "token": token})
    newest = Delivery.objects.latest("pk")
    assert (newest.client, newest.dialect) == ("arcade", "acme")


def test_asking_in_a_language(client, pending):
    """A message that is requested on a page is in the browser's language."""
    headers = {"Accept-Language": "de"}
    client.post("/confirm/request/", {"address": pending.email}, headers=headers)
    assert Delivery.objects.get().accept_language == "de"


def test_asking_for_many_accounts(client, db, change):
    """The limit on stored requests of a network applies to the form too."""
    change(THROTTLE="100/m", QUIET_REQUESTS_PER_NETWORK="1/d")
    for name in ("ann", "ben"):
        response = client.post("/confirm/request/", {"address": f"{name}@example.com"})
        assert response.status_code == 303
    assert Delivery.objects.count() == 1


def test_a_form_by_get(client, db):
    """A GET of a form's URL is a 405 with the form for a new message."""
    for path in (NEW, "/confirm/request/", "/confirm/not-me/"):
        response = client.get(path)
        assert (response.status_code, response["Allow"]) == (405, "POST")
        assert '<form method="post" action="/confirm/request/">' in response.content.decode()


def test_loading_again_asks_nothing(pending, client, clock):
    """Reloading the page after a renewal changes nothing."""
    token = linked(pending)
    clock.move(hours=25)
    response = client.post(NEW, {"token": token})
    before = rows()
    for _ in range(2):
        assert title(client.get(response["Location"])) == SENT
    assert rows() == before


def test_a_generation_that_another_courier_took(token):
    """If another courier took the next generation, a courier takes the one after it."""
    confirmation = Confirmation.objects.get()
    Confirmation.objects.update(generation=confirmation.generation + 1)
    generation, _ = links._next(confirmation, datetime(2030, 1, 1, tzinfo=UTC))
    assert generation == 3
    assert Confirmation.objects.get().generation == 3

"""Contents of a message: its host, number and language."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.core.management import call_command
from django.template.loader import get_template
from django.test import Client, RequestFactory
from django.utils import translation

from resend_confirmation import accounts, clients, engine, start
from resend_confirmation.courier import message, rendering
from resend_confirmation.dialects.base.parsing import accepted_language
from resend_confirmation.email_backend import Message
from resend_confirmation.engine import ResendRequest
from resend_confirmation.models import Cooldown, Delivery
from resend_confirmation.outcomes import CONCEALED, Outcome

from .factories import UserFactory, address_of

pytestmark = [pytest.mark.django, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def restored_language():
    """Deactivate the language that LocaleMiddleware left active."""
    yield
    translation.deactivate()


def carried():
    """Send queued messages; return the newest one and its link."""
    engine.drain()
    letter = mail.outbox[-1]
    (link,) = re.findall(r"https?://\S+/confirm/\?\S+", str(letter.body))
    return letter, link


# Rendering


#: Variables of a client's name, support, logo and colour.
LOOKS = [
    {"support_url": "", "logo": "", "accent": "#14532d", "accent_text": "#ffffff"},
    {
        "support_url": "https://shop.example/help?a=1&b=2",
        "logo": "https://shop.example/logo.png?a=1&b=2",
        "accent": "#facc15",
        "accent_text": "#000000",
    },
]


@pytest.mark.parametrize(("number", "code", "looks"), [(1, None, 0), (2, "481516", 1)])
@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
@pytest.mark.parametrize("suffix", ["_subject.txt", ".txt", ".html"])
def test_shared_text(suffix, language, number, code, looks):
    """A packaged template, rendered once, has each recipient's values as if rendered for one."""
    moment = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)
    shared = {
        "expires_at": moment + timedelta(days=1),
        "asked_at": moment,
        "signed_up_at": moment - timedelta(hours=3),
        "number": number,
        "client": "",
        "site": "https://site.example",
        "site_name": '<Tom> & "Jerry\'s"',
        "language": language,
        **LOOKS[looks],
    }
    names = ["p***r", "<b>&\"'", "\ue000link\ue000"]
    rendering._parts.cache_clear()
    with translation.override(language):
        for name in names:
            link = f"https://site.example/?a=1&token={len(name)}"
            context = {**shared, "user_name": name, "link": link, "disown_link": f"{link}#not-me"}
            context["code"] = code and f"{code}{len(name)}"
            alone = get_template(f"resend_confirmation/message{suffix}").render(context)
            assert rendering.render(suffix, context) == alone
    assert rendering._parts.cache_info().misses == 1


def test_shared_text_is_rendered_once(monkeypatch, clock):
    """The messages of a batch are rendered once, with the same day of sign-up and no resend."""
    rendering._parts.cache_clear()
    for _ in range(8):
        start(UserFactory.create())
    engine.drain()
    assert len(mail.outbox) == 8
    assert rendering._parts.cache_info().misses == 3


def test_bytes_of_headers(pending):
    """Short headers are written as they are, long ones and those with other letters are folded."""
    message = Message("Short", "text", "a@example.com", ["b@example.com"])
    message.attach_alternative("<p>text", "text/html")
    long = "word " * 30 + "end"
    message.extra_headers = {"X-Short": "a b", "X-Long": long, "X-Other": "\u00fc"}
    data = message.message().as_bytes()
    assert b"\nX-Short: a b\n" in data
    assert max(map(len, data.split(b"\n"))) <= 78
    read = message_from_bytes(data, policy=policy.default)
    assert (read["X-Long"], read["X-Other"]) == (long, "\u00fc")
    assert [part.get_content().strip() for part in read.iter_parts()] == ["text", "<p>text"]


# Host


@pytest.mark.parametrize(
    ("base", "host", "page"),
    [
        ("https://b\xfccher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://B\xfccher.example.", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:8000", "[::1]", "http://[::1]:8000"),
        ("https://site.example:8443/", "site.example", "https://site.example:8443"),
        ("https://site.example/sh\xf6p", "site.example", "https://site.example/sh%C3%B6p"),
    ],
)
@pytest.mark.parametrize("whose", ["site", "client"])
def test_base_url(pending, change, base, host, page, whose):
    """Link, text and Message-ID have the host of the site's or client's base URL, in ASCII."""
    change(**{"BASE_URL": base} if whose == "site" else {})
    change(CLIENTS=[{"name": "a", **({"base_url": base} if whose == "client" else {})}])
    start(pending, client="a")
    letter, link = carried()
    message_id = letter.message()["Message-ID"]
    assert re.fullmatch(r"<[0-9a-f-]{36}@" + re.escape(host) + ">", message_id)
    assert message_id.isascii()
    assert link.startswith(f"{page}/confirm/?token=")
    assert f"this address was entered at {urlsplit(page).netloc}." in letter.body
    query = urlsplit(link).query
    assert Client().get(f"/confirm/?{query}").status_code == 200


def test_script_name_without_a_slash(pending, settings):
    """FORCE_SCRIPT_NAME without a leading slash does not change the host."""
    settings.FORCE_SCRIPT_NAME = "shop"
    start(pending)
    assert carried()[1].startswith("https://site.example/shop/confirm/?token=")


# Number


def test_headers(pending, change, clock):
    """Headers prevent automatic replies, identify the client to Gmail, and set Reply-To."""
    change(REPLY_TO="Help <help@site.example>")
    start(pending)
    letter, _ = carried()
    written = letter.message()
    assert written["Auto-Submitted"] == "auto-generated"
    assert written["X-Auto-Response-Suppress"] == "All"
    assert written["Feedback-ID"] == "game::confirmation:site.example"
    assert written["Reply-To"] == "Help <help@site.example>"
    change(REPLY_TO=None)
    clock.move(hours=2)
    start(pending)
    assert "Reply-To" not in carried()[0].message()


SHOP = {
    "name": "shop",
    "title": "Tom & <Jerry>'s",
    "from_email": "Café <hello@shop.example>",
    "reply_to": "help@shop.example",
    "support_url": "https://shop.example/help?a=1&b=2",
    "logo": "https://cdn.shop.example/logo.png",
    "accent": "#facc15",
}


def test_looks(pending, change):
    """A client has its own name, sender, support, logo and colour; values are escaped in HTML."""
    change(FROM_EMAIL="site@site.example", REPLY_TO="site@site.example", CLIENTS=[SHOP])
    start(pending, client="shop")
    letter, _ = carried()
    ((html, _),) = letter.alternatives
    assert letter.subject == "Please confirm your e-mail address for Tom & <Jerry>'s"
    assert (letter.from_email, letter.reply_to) == (
        "Café <hello@shop.example>",
        ["help@shop.example"],
    )
    written = message_from_bytes(letter.message().as_bytes(), policy=policy.default)
    assert written["From"] == "Café <hello@shop.example>"
    assert "this address was entered at Tom & <Jerry>'s." in letter.body
    assert "\nContact support: https://shop.example/help?a=1&b=2\n" in letter.body
    name = "Tom &amp; &lt;Jerry&gt;&#x27;s"
    assert f"this address was entered at {name}." in html
    assert f'<img src="https://cdn.shop.example/logo.png" alt="{name}"' in html
    assert '<a class="link" href="https://shop.example/help?a=1&amp;b=2"' in html
    assert "background: #facc15; border: 1px solid #6b7280" in html
    assert "color: #000000; font-weight" in html
    assert "https://site.example." not in letter.body


def test_looks_of_the_site(pending, change):
    """A client without its own name and sender has those of the site."""
    change(FROM_EMAIL="site@site.example", REPLY_TO="help@site.example", SITE_NAME="The Site")
    start(pending)
    letter, _ = carried()
    ((html, _),) = letter.alternatives
    assert letter.subject == "Please confirm your e-mail address for The Site"
    assert (letter.from_email, letter.reply_to) == ("site@site.example", ["help@site.example"])
    assert "background: #14532d; border: 1px solid #14532d" in html
    assert "<img" not in html
    assert "Contact support" not in letter.body + html


def test_preview_line(pending):
    """The HTML part begins with a hidden line, which mail programs show in the list."""
    start(pending)
    letter, _ = carried()
    ((html, _),) = letter.alternatives
    first = re.search(r"<div style=\"display: none[^>]*>([^<]*)</div>", html)
    assert first
    assert first[1].startswith("Press the button to confirm that this address is yours")
    assert html.index(first[0]) == html.index("<div")


def test_code(pending):
    """A code is in both parts, next to the link; without one, neither mentions it."""
    start(pending)
    delivery: Any = Delivery.objects.get()
    delivery.link_expires_at = delivery.asked_at
    (account,) = accounts.store().find(address_of(pending.email))
    given = delivery, delivery.confirmation, account, "x" * 43
    for code in ("481516", None):
        letter: Any = message.write(*given, code)
        ((html, _),) = letter.alternatives
        assert ("Or enter this code: 481516\n" in letter.body) is (code is not None)
        assert ('<bdi dir="ltr">481516</bdi>' in html) is (code is not None)
        assert ("enter this code" in letter.body + html) is (code is not None)


def test_second_message(pending, clock):
    """Subject and text of a resend have its number, so that Gmail does not collapse it."""
    start(pending, time_zone="Asia/Tokyo")
    first, _ = carried()
    clock.move(minutes=90)
    start(pending)
    second, _ = carried()
    assert first.subject == "Please confirm your e-mail address for site.example"
    assert second.subject == "Please confirm your e-mail address for site.example (2)"
    assert "This is message" not in first.body
    said = "This is message 2, requested on Jan. 1, 2030, 10:30 p.m. (JST)."
    assert said in second.body
    assert said in second.alternatives[0][0]


BLANKS = ["\t", "\r", "\n", " ", " \r\n\t"]


@pytest.mark.parametrize("blanks", BLANKS, ids=repr)
@pytest.mark.parametrize("before", [True, False])
def test_blanks_around_an_address(pending, blanks, before):
    """Whitespace around an address is removed, in requests, the command and ``start``."""
    typed = f"{blanks}pending@example.com" if before else f"pending@example.com{blanks}"
    for quiet in (frozenset(), CONCEALED):
        Cooldown.objects.all().delete()
        asked = ResendRequest(identity=typed, client=clients.default(), quiet=quiet)
        assert engine.resend(asked).ending is Outcome.SENT
        engine.drain()
    Cooldown.objects.all().delete()
    call_command("resend_confirmation", "send", typed)
    engine.drain()
    start(UserFactory.create(email=typed.replace("pending", "other")))
    engine.drain()
    assert [letter.to[0] for letter in mail.outbox] == [
        "pending@example.com",
        "pending@example.com",
        "pending@example.com",
        "other@example.com",
    ]


# Language


GERMAN = "Bitte bestätigen Sie Ihre E-Mail-Adresse für site.example"
ENGLISH = "Please confirm your e-mail address for site.example"
SPANISH = "Por favor, confirme su dirección de correo electrónico para site.example"
FRENCH = "Veuillez confirmer votre adresse e-mail pour site.example"
PORTUGUESE = "Por favor, confirme seu endereço de e-mail para site.example"
#: The browser that opens the page prefers another language.
BROWSER = {"accept-language": "pt-BR, en;q=0.5"}


@pytest.mark.parametrize(
    ("sign_up", "call", "browser", "subject", "lang"),
    [
        ("de", "", "pt-br", GERMAN, "de"),
        ("es", "", "pt-br", SPANISH, "es"),
        ("fr", "", "pt-br", FRENCH, "fr"),
        ("pt-br", "", "de", PORTUGUESE, "pt-br"),
        ("en", "de", "pt-br", GERMAN, "de"),
        ("", "", "de-DE, de;q=0.9, en;q=0.8", GERMAN, "de"),
        ("", "", "*", ENGLISH, "pt-br"),
        ("", "", "xx, *;q=0.5", ENGLISH, "pt-br"),
    ],
)
@pytest.mark.parametrize("quiet", [frozenset(), CONCEALED], ids=["candid", "quiet"])
@pytest.mark.parametrize("middleware", [True, False])
def test_language(settings, sign_up, call, browser, subject, lang, quiet, middleware):
    """The language is that of the call, account or browser, in this order; the page keeps it."""
    settings.LANGUAGES = [(code, code) for code in ("de", "en", "es", "fr", "pt-br")]
    if middleware:
        settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", *settings.MIDDLEWARE]
    user = UserFactory.create()
    start(user, language=sign_up, send=False)
    request = ResendRequest(
        identity=user.email,
        client=clients.default(),
        language=call,
        accept_language=of(browser),
        quiet=quiet,
    )
    assert engine.resend(request).ending is Outcome.SENT
    letter, link = carried()
    assert letter.subject == subject
    browser = BROWSER if lang != "pt-br" or subject == ENGLISH else {"accept-language": "de"}
    page = Client().get(f"/confirm/?{urlsplit(link).query}", headers=browser)
    assert f'<html lang="{lang}">' in page.content.decode()
    if middleware:
        assert page["Content-Language"] == lang


def of(header):
    """Return the value that a dialect reads from the header."""
    return accepted_language(RequestFactory().get("/", headers={"accept-language": header}))


def test_renewal_keeps_the_language(clock, client):
    """A renewal keeps the language, in the page and the message."""
    start(UserFactory.create(), language="de", time_zone="Asia/Tokyo")
    token = carried()[1].partition("token=")[2]
    ready = client.get("/confirm/", {"token": token}, headers=BROWSER).content.decode()
    assert "2. Januar 2030 21:00 (JST)" in ready
    clock.move(hours=25)
    sent = client.post("/confirm/new/", {"token": token}, headers=BROWSER, follow=True)
    assert '<html lang="de">' in sent.content.decode()
    assert carried()[0].subject.startswith(GERMAN)


@pytest.mark.parametrize("middleware", [True, False])
def test_foreign_pages_are_the_browsers(settings, client, middleware):
    """The page of an unknown link is in the browser's language."""
    if middleware:
        settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", *settings.MIDDLEWARE]
    page = client.get("/confirm/", {"token": "x" * 43}, headers=BROWSER)
    assert '<html lang="pt-br">' in page.content.decode()

"""The preview of the message: in the admin, by the command, and as a test message."""

import json
import re
import smtplib
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.core import mail
from django.test import Client

from resend_confirmation import languages
from resend_confirmation.courier import sample
from resend_confirmation.email_backend import Message
from resend_confirmation.models import Confirmation, Delivery

from .factories import UserFactory
from .test_command import Ran

pytestmark = [pytest.mark.django, pytest.mark.django_db]

PREVIEW = "/admin/resend_confirmation/confirmation/preview/"
SUBJECT = "Please confirm your e-mail address for site.example"
OF_SHOP = "Please confirm your e-mail address for Tom & Jerry"
SHOP = {"name": "the shop/1", "title": "Tom & Jerry", "from_email": "Shop <hello@shop.example>"}


@pytest.fixture(autouse=True)
def shop(change, clock):
    """A second client."""
    change(CLIENTS=[{"name": "game"}, SHOP])


def staff(*permissions, **values):
    """Return a test client of staff with these permissions."""
    user: Any = UserFactory.create(is_staff=True, **values)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


# The sample


def test_the_link_does_not_work(client):
    """The link of a sample has a token in the usual form, for which there is no page."""
    (token,) = re.findall(r"\?token=(\S+)", str(sample.write(None, "en").body))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert client.get("/confirm/", {"token": token}).status_code == 404


@pytest.mark.parametrize(
    ("condition", "dark", "light"),
    [
        ("(prefers-color-scheme: dark)", "(min-width: 0)", "(max-width: 0)"),
        (
            "screen and ( prefers-color-scheme :dark )",
            "screen and (min-width: 0)",
            "screen and (max-width: 0)",
        ),
        ("(prefers-color-scheme: light)", "(max-width: 0)", "(min-width: 0)"),
    ],
)
def test_scheme(condition, dark, light):
    """The conditions of the HTML part about the colour scheme are decided."""
    letter = Message()
    letter.attach_alternative(f"<style>@media {condition} {{}}</style></head>", "text/html")
    for scheme, decided in (("dark", dark), ("light", light)):
        assert sample.html(letter, scheme) == (
            f"<style>@media {decided} {{}}</style>"
            f"<style>:root {{ color-scheme: {scheme} !important }}</style></head>"
        )


# Languages


def test_offered_languages(settings, tmp_path):
    """Languages of the site with our texts, from the package or the host, and its own are offered.

    A catalogue of the host may have other texts.
    """
    for code, spoken in (("cy", "cy"), ("ga", "en")):
        catalog = Catalog(code)
        catalog.add("en", spoken, context="the language of these translations")
        place = tmp_path / code / "LC_MESSAGES"
        place.mkdir(parents=True)
        with (place / "django.mo").open("wb") as file:
            write_mo(file, catalog)
    settings.LOCALE_PATHS = [tmp_path]
    codes = ("en-gb", "de-at", "pt-br", "xx", "cy", "ga", "eo")
    settings.LANGUAGES = [(code, code.upper()) for code in codes]
    settings.LANGUAGE_CODE = "eo"
    offered = {code: code.upper() for code in ("en-gb", "de-at", "pt-br", "cy", "eo")}
    assert languages.offered() == offered


# The admin


def test_page():
    """The page shows the headers, the text and both schemes of the chosen message."""
    browser = staff("view_confirmation", email="staff@example.com")
    page = browser.get(PREVIEW, {"client": "the shop/1", "language": "en", "code": "on"})
    text = page.content.decode()
    assert page.context["text"].startswith(
        f"From: Shop <hello@shop.example>\nSubject: {OF_SHOP}\n\nYou are receiving this"
    )
    assert "Or enter this code: 481516" in text
    query = "client=the+shop%2F1&amp;language=en&amp;code=on"
    for scheme in ("light", "dark"):
        assert f'<iframe sandbox title="{scheme.title()}" src="{PREVIEW}{scheme}/?{query}">' in text
    assert "Send me a test" not in text


def test_page_without_a_choice():
    """Without a choice the page shows the message of the default client in LANGUAGE_CODE."""
    page = staff("view_confirmation").get(PREVIEW)
    assert f"Subject: {SUBJECT}\n" in page.context["text"]
    assert "enter this code" not in page.context["text"]


def test_unknown_choice():
    """An unknown client or language is an error of the form, and its frame is not there."""
    browser = staff("view_confirmation", "resend_confirmation")
    for query in ({"client": "nothing"}, {"language": "xx"}):
        page = browser.get(PREVIEW, query)
        assert (page.status_code, page.context["text"]) == (200, "")
        assert "Select a valid choice." in page.content.decode()
        assert browser.get(f"{PREVIEW}light/", query).status_code == 404
        assert browser.post(f"{PREVIEW}?client=nothing").status_code == 403
    assert browser.get(f"{PREVIEW}sepia/").status_code == 404


def test_frame():
    """The frame has the HTML part, and a policy without scripts."""
    browser = staff("view_confirmation")
    frame = browser.get(f"{PREVIEW}dark/", {"client": "the shop/1", "language": "de"})
    assert "this address was entered at" not in frame.content.decode()
    assert "Tom &amp; Jerry" in frame.content.decode()
    assert "@media (min-width: 0) {" in frame.content.decode()
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    assert frame["Referrer-Policy"] == "no-referrer"
    assert frame["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


def test_permissions():
    """Looking takes the permission to view, sending also that to send again."""
    for browser in (staff(), staff("view_delivery", "resend_confirmation")):
        assert browser.get(PREVIEW).status_code == 403
        assert browser.get(f"{PREVIEW}light/").status_code == 403
        assert browser.post(PREVIEW).status_code == 403
    assert staff("view_confirmation").post(PREVIEW).status_code == 403
    assert Client().get(PREVIEW).status_code == 302
    assert mail.outbox == []


def test_link_to_the_page():
    """The list of confirmations links to the preview."""
    page = staff("view_confirmation").get("/admin/resend_confirmation/confirmation/")
    assert f'<a href="{PREVIEW}">Preview of the message</a>' in page.content.decode()


def test_send_me_a_test():
    """The button sends the shown message to the member of staff, marked as a test."""
    browser = staff("view_confirmation", "resend_confirmation", email="staff@example.com")
    query = f"{PREVIEW}?client=the+shop%2F1&language=en"
    assert "Send me a test" in browser.get(query).content.decode()
    response = browser.post(query, follow=True)
    assert response.redirect_chain == [(query, 302)]
    assert said(response) == ["A test was sent to staff@example.com."]
    (letter,) = mail.outbox
    assert (letter.to, letter.subject) == (["staff@example.com"], f"[Test] {OF_SHOP}")
    assert letter.from_email == "Shop <hello@shop.example>"
    assert Delivery.objects.count() == Confirmation.objects.count() == 0


def test_without_an_address():
    """Staff without an address are told so."""
    browser = staff("view_confirmation", "resend_confirmation", email="")
    assert said(browser.post(PREVIEW, follow=True)) == ["Your account has no e-mail address."]
    assert mail.outbox == []


def test_test_that_is_not_sent(script):
    """If the mail server refuses the test, staff see the error's class and code."""
    script.append(smtplib.SMTPRecipientsRefused({"staff@example.com": (550, b"no staff@")}))
    browser = staff("view_confirmation", "resend_confirmation", email="staff@example.com")
    (text,) = said(browser.post(PREVIEW, follow=True))
    assert text == "The test was not sent (SMTPRecipientsRefused 550)."


# The command


def test_text():
    """By default the command prints the text of the default client in LANGUAGE_CODE."""
    lines = Ran("preview").lines
    assert lines[:4] == [
        "From: site@site.example",
        f"Subject: {SUBJECT}",
        "",
        "You are receiving this because this address was entered at site.example.",
    ]
    assert not any("code" in line for line in lines)


def test_html():
    """The HTML part is printed with both schemes; a client, a language and a code can be chosen."""
    given = ("--client", "the shop/1", "--language", "de", "--code", "--format", "html")
    text = "\n".join(Ran("preview", *given).lines)
    assert text.startswith('<!doctype html>\n<html lang="de">\n')
    assert "@media (prefers-color-scheme: dark) {" in text
    assert '<bdi dir="ltr">481516</bdi>' in text


def test_json():
    """The JSON object has both parts, or the chosen one."""
    (line,) = Ran("preview", "--client", "the shop/1", "--json").lines
    found = json.loads(line)
    assert (found.pop("text")[:3], found.pop("html")[:3]) == ("You", "<!d")
    assert found == {
        "client": "the shop/1",
        "language": "en",
        "subject": OF_SHOP,
        "from_email": "Shop <hello@shop.example>",
        "reply_to": [],
    }
    (line,) = Ran("preview", "--json", "--format", "text").lines
    assert "html" not in json.loads(line)


def test_files(tmp_path, settings):
    """Files are written for each client and language: the text, and the HTML in both schemes."""
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("xx", "Nothing")]
    folder = tmp_path / "new" / "folder"
    ran = Ran("preview", "--output", str(folder))
    expected = [
        f"{client}.{language}.{ending}"
        for client in ("game", "the%20shop%2F1")
        for language in ("en", "de")
        for ending in ("txt", "light.html", "dark.html")
    ]
    assert ran.lines == [str(folder / name) for name in expected]
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
    german = (folder / "the%20shop%2F1.de.dark.html").read_text(encoding="utf-8")
    assert "Bestätigen Sie Ihre E-Mail-Adresse" in german
    only = Ran("preview", "--output", str(folder), "--client", "game", "--format", "text", "--json")
    assert [json.loads(line) for line in only.lines] == [
        {"client": "game", "language": code, "path": str(folder / f"game.{code}.txt")}
        for code in ("en", "de")
    ]
    other = Ran("preview", "--output", str(folder), "--language", "de", "--format", "html")
    assert [line.removeprefix(f"{folder}/") for line in other.lines] == [
        f"{client}.de.{scheme}.html"
        for client in ("game", "the%20shop%2F1")
        for scheme in ("light", "dark")
    ]


def test_send_to(script):
    """A test is sent to an address; a failure has exit code 1, and no address in its text."""
    assert Ran("preview", "--send-to", "jane@example.com").lines == [f"Sent: [Test] {SUBJECT}"]
    (letter,) = mail.outbox
    assert (letter.to, letter.subject) == (["jane@example.com"], f"[Test] {SUBJECT}")
    script.append(ConnectionRefusedError())
    ran = Ran("preview", "--send-to", "jane@example.com", "--json")
    assert (ran.code, ran.complaint) == (1, "The test was not sent (ConnectionRefusedError).")
    assert [json.loads(line) for line in ran.lines] == [
        {"client": "game", "language": "en", "result": "failed", "error": "ConnectionRefusedError"}
    ]
    script.append(ConnectionRefusedError())
    ran = Ran("preview", "--send-to", "jane@example.com")
    assert (ran.code, ran.lines) == (1, [])


def test_wrong_arguments(tmp_path):
    """Unknown clients and languages, and what is not an address, are refused with exit code 2."""
    assert Ran("preview", "--client", "nothing").code == 2
    assert Ran("preview", "--send-to", "jane").code == 2
    ran = Ran("preview", "--language", "xx")
    assert ran.code == 2
    assert ran.complaint.startswith("No translation into 'xx' in LANGUAGES. Known: en, de, ")
    (tmp_path / "file").touch()
    assert Ran("preview", "--output", str(tmp_path / "file")).code == 1

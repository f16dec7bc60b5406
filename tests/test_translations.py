"""The catalogues, and messages, pages and the admin in the reader's language."""

import re
from gettext import GNUTranslations
from html import unescape
from string import Formatter
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from django.apps import apps
from django.core import mail
from django.test import Client
from django.utils import translation
from django.utils.functional import Promise

from resend_confirmation import start
from resend_confirmation.courier import Tally, send_due
from resend_confirmation.models import Confirmation, Delivery

from .catalogues import PACKAGE, PLURALS, Fixed, folder, marked, read
from .factories import PendingFactory, UserFactory
from .sessions import MIDDLEWARE

LOCALES = ["ar", "de", "es", "fr", "he", "it", "ja", "ko", "nl", "pl", "pt", "pt_BR", "ru", "tr"]
LOCALES += ["zh_Hans"]

every_catalogue = pytest.mark.parametrize("locale", LOCALES)


def texts(catalog):
    """Return texts and translations, each as a tuple of its forms, without the header."""
    return {(text.context, *forms(text.id)): forms(text.string) for text in catalog if text.id}


def forms(text):
    """Return the forms of a text: one, or several for a plural."""
    return (text or "",) if isinstance(text, str | None) else tuple(text)


def po(locale):
    return read(folder(locale) / "django.po", locale)


# The catalogues


def test_catalogues():
    """A catalogue for each of the 15 languages comes with the package."""
    assert sorted(path.name for path in (PACKAGE / "locale").iterdir()) == LOCALES
    assert sorted(PLURALS) == LOCALES


def test_marked():
    """Texts of modules and templates are found, with context and plural."""
    found = texts(marked())
    assert (None, "Please confirm your e-mail address for %(site)s") in found
    assert (None, "You are receiving this because this address was entered at %(site)s.") in found
    assert (None, "Can confirm an address by hand") in found
    assert (None, "the mail server refused the recipient") in found
    assert ("the language of these translations", "en") in found
    sentence = "A link was sent a moment ago. Please try again in %(seconds)s second"
    assert (None, f"{sentence}.", f"{sentence}s.") in found
    assert len(found) > 100


@every_catalogue
def test_every_text_is_translated(locale):
    """A catalogue has a translation for each marked text, and no other texts."""
    catalog = po(locale)
    found = texts(catalog)
    assert found.keys() == texts(marked()).keys()
    assert [text for text, said in found.items() if not all(said)] == []
    numbers = {1: 1, 2: Fixed(locale).num_plurals}
    assert [text for (_, *text), said in found.items() if len(said) != numbers[len(text)]] == []
    assert [text.id for text in catalog if text.fuzzy] == []
    assert catalog.obsolete == {}


@every_catalogue
def test_plural_forms(locale):
    """Each text with a plural has the language's forms in the file."""
    written = (folder(locale) / "django.po").read_text("utf-8")
    count = {"ar": 6, "he": 4, "ja": 1, "ko": 1, "pl": 4, "ru": 4, "zh_Hans": 1}.get(locale, 2)
    numbers = [str(number) for number in range(count)]
    assert re.findall(r"^msgstr\[(\d)\]", written, re.MULTILINE) == numbers * 2


def placeholders(text):
    """Return the placeholders ``%(name)s`` and ``{name}``, and other percent signs."""
    percent = re.findall(r"%\(\w+\)[a-z]|%.?", text)
    return sorted(percent), sorted(str(name) for _, name, _, _ in Formatter().parse(text) if name)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%(done)d of %(all)s", (["%(all)s", "%(done)d"], [])),
        ("{b} and {a}", ([], ["a", "b"])),
        ("100 % (site)s", (["% "], [])),
        ("100%", (["%"], [])),
    ],
)
def test_placeholders_are_found(text, found):
    """All placeholders and percent signs are found."""
    assert placeholders(text) == found


#: Forms for one number only, which is a word in them instead of a digit.
WORDS = {"ar": {1, 2}, "he": {0, 1}}


@every_catalogue
def test_placeholders(locale):
    """A translation has the placeholders of its text in each form, unless the number is a word."""
    for (_, *text), said in texts(po(locale)).items():
        for number, form in enumerate(said):
            is_word = len(text) > 1 and number in WORDS.get(locale, ())
            expected = ([], []) if is_word else placeholders(text[-1])
            assert placeholders(form) == expected


#: The full stop and the colon of Chinese and Japanese.
WIDE = str.maketrans("。：", ".:")


@every_catalogue
def test_ends(locale):
    """A translation ends with the same punctuation as its text, and without whitespace."""
    for (_, *text), said in texts(po(locale)).items():
        for form in said:
            assert form == form.strip()
            narrow = form.translate(WIDE)
            assert re.findall(r"[.:]$", narrow) == re.findall(r"[.:]$", text[-1])


@every_catalogue
def test_compiled(locale):
    """The compiled catalogue has the same translations as its source."""
    expected: dict[Any, str] = {}
    for (context, text, *more), said in texts(po(locale)).items():
        key = f"{context}\x04{text}" if context else text
        expected |= {(key, n): form for n, form in enumerate(said)} if more else {key: said[0]}
    with (folder(locale) / "django.mo").open("rb") as file:
        compiled = GNUTranslations(file)
    found = dict(compiled._catalog)  # type: ignore[attr-defined]
    del found[""]
    assert found == expected
    head = [f"{name}: {value}" for name, value in Fixed(locale).mime_headers]
    assert compiled.gettext("").splitlines() == head


@every_catalogue
def test_header(locale):
    """The header has the language and its plural rule, but no person, date or machine."""
    path = folder(locale) / "django.po"
    head, _, _ = path.read_text("utf-8").partition("\n\n")
    # A long line is continued on the next one.
    assert head.replace('"\n"', "") == (
        "# Fill in what is empty, and run ``python -m tests.catalogues`` before and after.\n"
        'msgid ""\n'
        'msgstr "'
        "Project-Id-Version: django-resend-confirmation\\n"
        f"Language: {locale}\\n"
        "MIME-Version: 1.0\\n"
        "Content-Type: text/plain; charset=UTF-8\\n"
        "Content-Transfer-Encoding: 8bit\\n"
        f'Plural-Forms: {PLURALS[locale]}"'
    )


@every_catalogue
def test_comments(locale):
    """Comments are only hints for translators and flags, not locations."""
    lines = (folder(locale) / "django.po").read_text("utf-8").splitlines()[1:]
    comments = {line for line in lines if line.startswith("#")}
    assert comments == {
        "#, python-format",
        "#. Translators: the code of the language that you translate into, as in LANGUAGES.",
    }


# The message

GERMAN = """\
Sie erhalten diese Nachricht, weil diese Adresse bei site.example angegeben wurde.
Konto NAME, registriert am 1. Januar 2030.

Um Ihre Adresse zu bestätigen, öffnen Sie bitte diesen Link und klicken Sie auf die Schaltfläche:

LINK

Der Link ist gültig bis 2. Januar 2030 21:00 (JST).
Falls Sie das nicht waren, können Sie diese E-Mail ignorieren. Wenn Sie keine weiteren Nachrichten wünschen, öffnen Sie den Link und klicken Sie auf „Das war ich nicht“."""  # noqa: E501

GERMAN_HTML = [
    "Bitte bestätigen Sie Ihre E-Mail-Adresse für site.example",
    (
        "Klicken Sie auf die Schaltfläche, um zu bestätigen, dass diese Adresse Ihnen gehört und "
        "dass Sie sich registriert haben."
    ),
    "site.example",
    "Bestätigen Sie Ihre E-Mail-Adresse",
    "Sie erhalten diese Nachricht, weil diese Adresse bei site.example angegeben wurde.",
    "Konto NAME, registriert am 1. Januar 2030.",
    "Meine Adresse bestätigen",
    (
        "Der Link ist gültig bis 2. Januar 2030 21:00 (JST).\n"
        "Falls Sie das nicht waren, können Sie diese E-Mail ignorieren."
    ),
    "Das war ich nicht",
    "Falls die Schaltfläche nicht funktioniert, kopieren Sie bitte diesen Link in Ihren Browser:",
    "LINK",
]

SPANISH = """\
Recibe este mensaje porque se ha indicado esta dirección en site.example.
Cuenta NAME, registrada el 1 de enero de 2030.

Para confirmar su dirección, abra este enlace y pulse el botón:

LINK

El enlace es válido hasta el 2 de enero de 2030 a las 21:00 (JST).
Si no fue usted, puede ignorar este correo. Para no recibir más mensajes, abra el enlace y pulse «No fui yo»."""  # noqa: E501

FRENCH = """\
Vous recevez ce message parce que cette adresse a été saisie sur site.example.
Compte NAME, inscrit le 1 janvier 2030.

Pour confirmer votre adresse, ouvrez ce lien et cliquez sur le bouton\u00a0:

LINK

Le lien est valable jusqu’au 2 janvier 2030 21:00 (JST).
Si ce n’était pas vous, vous pouvez ignorer cet e-mail. Pour ne plus recevoir ces messages, ouvrez le lien et cliquez sur «\u00a0Ce n’était pas moi\u00a0»."""  # noqa: E501

PORTUGUESE = """\
Você está recebendo esta mensagem porque este endereço foi informado em site.example.
Conta NAME, cadastrada em 1 de Janeiro de 2030.

Para confirmar seu endereço, abra este link e clique no botão:

LINK

O link é válido até 2 de Janeiro de 2030 às 21:00 (JST).
Se não foi você, pode ignorar este e-mail. Para não receber mais mensagens, abra o link e clique em “Não fui eu”."""  # noqa: E501

ENGLISH = """\
You are receiving this because this address was entered at site.example.
Account NAME, signed up on Jan. 1, 2030.

To confirm your address, open this link and press the button:

LINK

The link works until Jan. 2, 2030, 9 p.m. (JST).
If this wasn't you, you can ignore this e-mail. To stop these messages, open the link and press “This was not me”."""  # noqa: E501

SENT = {
    "de": ("Bitte bestätigen Sie Ihre E-Mail-Adresse für site.example", GERMAN),
    "en": ("Please confirm your e-mail address for site.example", ENGLISH),
    "es": ("Por favor, confirme su dirección de correo electrónico para site.example", SPANISH),
    "fr": ("Veuillez confirmer votre adresse e-mail pour site.example", FRENCH),
    "pt-br": ("Por favor, confirme seu endereço de e-mail para site.example", PORTUGUESE),
}


@pytest.fixture
def languages(settings):
    """Return a function that sets LANGUAGES and LANGUAGE_CODE."""

    def put(*codes, default="en"):
        settings.LANGUAGES = [(code, code) for code in codes]
        settings.LANGUAGE_CODE = default

    return put


@pytest.fixture
def letter(clock, db):
    """Return a function that sends a message in a language to a user in Tokyo."""

    def letter(language):
        start(UserFactory.create(), language=language, time_zone="Asia/Tokyo")
        assert send_due() == Tally(sent=1)
        sent: Any = mail.outbox[-1]
        ((html, _),) = sent.alternatives
        (link,) = re.findall(r"https://\S+/confirm/\?\S+", sent.body)
        return (
            sent.subject,
            re.sub(r"\w\*+\w", "NAME", sent.body.replace(link, "LINK").rstrip("\n")),
            re.sub(r"\w\*+\w", "NAME", html.replace(link, "LINK")),
        )

    return letter


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("de", "de"),
        ("de-at", "de"),
        ("es", "es"),
        ("es-mx", "es"),
        ("fr", "fr"),
        ("fr-ca", "fr"),
        ("pt-br", "pt-br"),
        ("en", "en"),
    ],
)
def test_message(asked, said, letter, languages):
    """The whole message is in the recipient's language."""
    languages("de", "en", "es", "fr", "pt-br")
    subject, text, html = letter(asked)
    assert (subject, text) == SENT[said]
    assert f'<html lang="{said}">' in html
    assert f"<title>{subject}</title>" in html
    lines = text.splitlines()
    # With buttons, the HTML part has other instructions.
    assert [line for line in lines if line not in unescape(html)] == [lines[-6], lines[-1]]


def test_german_html(letter):
    """The HTML part of a German message is in German."""
    _, _, html = letter("de")
    shown = re.sub(r"<style>.*</style>", "", html, flags=re.DOTALL)
    texts = [unescape(text).strip() for text in re.split(r"<[^>]+>", shown) if text.strip()]
    assert texts == GERMAN_HTML


def test_language_that_is_not_offered(letter, languages):
    """A language that the site does not offer is not used for messages."""
    languages("en", "fr")
    subject, text, html = letter("de")
    assert (subject, text) == SENT["en"]
    assert '<html lang="en">' in html


@pytest.mark.parametrize("asked", ["da", "fa", "zh-hant"])
def test_language_without_a_catalogue(asked, letter, languages):
    """Without a catalogue, the message, its dates and its language code are English."""
    languages("en", "da", "fa", "zh-hant")
    subject, text, html = letter(asked)
    assert (subject, text) == SENT["en"]
    assert '<html lang="en">' in html


def test_language_code_in_place_of_one_without_a_catalogue(letter, languages):
    """Without a catalogue the whole message is in the language of LANGUAGE_CODE."""
    languages("de", "da", default="de")
    subject, text, html = letter("da")
    assert (subject, text) == SENT["de"]
    assert '<html lang="de">' in html


def test_country(letter, languages):
    """A country's variant of a language keeps its date format and ``lang``."""
    languages("en-gb", "de", default="en-gb")
    _, text, html = letter("")
    assert "The link works until 2 Jan" in text
    assert '<html lang="en-gb">' in html


@pytest.fixture
def persian(tmp_path, settings, languages):
    """A catalogue of the host for a language that the package does not have."""
    catalog = Catalog("fa")
    catalog.add("en", "fa", context="the language of these translations")
    catalog.add("Please confirm your e-mail address for %(site)s", "لطفاً نشانی خود را تأیید کنید")
    catalog.add("Already confirmed", "قبلاً تأیید شده")
    place = tmp_path / "fa" / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / "django.mo").open("wb") as file:
        write_mo(file, catalog)
    settings.LOCALE_PATHS = [tmp_path]
    languages("en", "fa")


@pytest.mark.usefixtures("persian")
def test_catalogue_of_the_host(letter):
    """A catalogue in LOCALE_PATHS is used, with the language's date format and direction."""
    subject, text, html = letter("fa")
    assert subject == "لطفاً نشانی خود را تأیید کنید"
    assert "2 ژانویه 2030" in text
    assert '<html lang="fa" dir="rtl">' in html


# The pages

ACCOUNT = [
    "Konto NAME, registriert am 1. Januar 2030.",
    "E-Mail-Adresse:",
    "NAME@example.com",
]
NOT_ME = [
    "Waren Sie das nicht?",
    (
        "Vielleicht hat jemand anderes Ihre Adresse eingegeben. Sagen Sie es uns, dann machen wir "
        "die Registrierung rückgängig."
    ),
    "Das war ich nicht",
]
RENEW = ["Wir können einen neuen an dieselbe Adresse senden.", "Neuen Link anfordern"]
PAGES = {
    "ready": [
        "Bestätigen Sie Ihre E-Mail-Adresse",
        *ACCOUNT,
        (
            "Klicken Sie auf die Schaltfläche, um zu bestätigen, dass diese Adresse Ihnen gehört "
            "und dass Sie sich registriert haben."
        ),
        "Meine Adresse bestätigen",
        "Der Link ist gültig bis 2. Januar 2030 06:00 (CST).",
        *NOT_ME,
    ],
    "confirmed": [
        "Vielen Dank",
        "Ihre E-Mail-Adresse ist bestätigt. Sie können diese Seite schließen.",
    ],
    "already": [
        "Bereits bestätigt",
        *ACCOUNT,
        "Diese E-Mail-Adresse ist bereits bestätigt. Sie brauchen nichts weiter zu tun.",
    ],
    "foreign": [
        "Dieser Link ist ungültig",
        (
            "Möglicherweise wurde er durch einen neueren ersetzt oder unvollständig kopiert. "
            "Bitte verwenden Sie den Link in der neuesten Nachricht."
        ),
        "Oder geben Sie Ihre E-Mail-Adresse ein, um eine neue Nachricht zu erhalten:",
        "Neue Nachricht anfordern",
        "Zu site.example",
    ],
    "expired": ["Dieser Link ist abgelaufen", *ACCOUNT, *RENEW, *NOT_ME],
    "hasty": [
        "Dieser Link ist abgelaufen",
        *ACCOUNT,
        "Gerade erst wurde ein Link gesendet. Bitte versuchen Sie es in 60 Sekunden erneut.",
        *RENEW,
        *NOT_ME,
    ],
    "hasty by a second": [
        "Dieser Link ist abgelaufen",
        *ACCOUNT,
        "Gerade erst wurde ein Link gesendet. Bitte versuchen Sie es in 1 Sekunde erneut.",
        *RENEW,
        *NOT_ME,
    ],
    "renewed": [
        "Ein neuer Link ist unterwegs",
        "Bitte sehen Sie in Ihrem Posteingang und im Spam-Ordner nach.",
    ],
    "asked": [
        "Prüfen Sie Ihren Posteingang",
        (
            "Wenn ein Konto mit dieser Adresse auf die Bestätigung wartet, ist eine neue Nachricht "
            "unterwegs. Bitte sehen Sie auch im Spam-Ordner nach."
        ),
    ],
    "disowned": [
        "Vielen Dank für den Hinweis",
        (
            "Die Registrierung wurde rückgängig gemacht. Ihre Links funktionieren nicht mehr, "
            "und es werden keine weiteren Nachrichten gesendet."
        ),
    ],
}


def said(page):
    """Return the texts of a page's main element."""
    (main,) = re.findall(r"<main>(.*)</main>", page.content.decode(), flags=re.DOTALL)
    texts = [unescape(text).strip() for text in re.split(r"<[^>]+>", main) if text.strip()]
    return [re.sub(r"\w\*+\w", "NAME", text) for text in texts]


@pytest.fixture
def opened(settings, change, clock, db):
    """Return a function that opens the page of a link in a state, with a browser's language."""
    settings.MIDDLEWARE = MIDDLEWARE
    change(CLIENTS=[{"name": "site"}])

    def opened(state, accepted):
        browser = Client(headers={"accept-language": accepted})
        start(PendingFactory.create())
        send_due()
        (token,) = re.findall(r"token=(\S+)", str(mail.outbox[-1].body))
        link, new = "/confirm/", "/confirm/new/"
        if state in {"expired", "renewed"}:
            clock.move(hours=24, seconds=1)
        elif state.startswith("hasty"):
            Delivery.objects.update(link_expires_at=clock.now)
            clock.move(seconds=59 if state == "hasty by a second" else 0)
        if state in {"confirmed", "already"}:
            page = browser.post(link, {"token": token})
        if state == "already":
            page = browser.post(link, {"token": token})
        elif state == "renewed" or state.startswith("hasty"):
            page = browser.post(new, {"token": token}, follow=True)
        elif state == "asked":
            page = browser.post("/confirm/request/", {"address": "jane@example.com"}, follow=True)
        elif state == "disowned":
            page = browser.post("/confirm/not-me/", {"token": token}, follow=True)
        elif state != "confirmed":
            page = browser.get(link, {"token": "x" * 43 if state == "foreign" else token})
        return page

    return opened


@pytest.mark.parametrize("state", PAGES)
def test_page(state, opened):
    """A page is in the browser's language."""
    page = opened(state, "de-AT, en;q=0.5")
    assert said(page) == PAGES[state]
    assert '<html lang="de">' in page.content.decode()
    assert "<title>Ihre E-Mail-Adresse – site.example</title>" in page.content.decode()


#: For each language, as in LANGUAGES, the heading of the page of an address that is confirmed.
HEADINGS = {
    "ar": "تم التأكيد من قبل",
    "de": "Bereits bestätigt",
    "en": "Already confirmed",
    "es": "Dirección ya confirmada",
    "fr": "Adresse déjà confirmée",
    "he": "כבר אושר",
    "it": "Indirizzo già confermato",
    "ja": "すでに確認済みです",
    "ko": "이미 확인되었습니다",
    "nl": "Adres al bevestigd",
    "pl": "Adres już potwierdzony",
    "pt": "Endereço já confirmado",
    "pt-br": "Endereço já confirmado",
    "ru": "Адрес уже подтверждён",
    "tr": "Adres zaten onaylandı",
    "zh-hans": "已经确认",
}


@pytest.mark.parametrize("language", ["en", *map(translation.to_language, LOCALES)])
def test_languages_of_pages(language, opened, languages):
    """Pages are available in all languages of the package."""
    languages(*HEADINGS)
    page = opened("already", language)
    assert said(page)[0] == HEADINGS[language]
    direction = ' dir="rtl"' if language in {"ar", "he"} else ""
    assert f'<html lang="{language}"{direction}>' in page.content.decode()


@pytest.mark.parametrize("accepted", ["da", "fa"])
def test_page_without_a_catalogue(accepted, opened, languages):
    """Without a catalogue a page is in English, from left to right."""
    languages("en", "da", "fa")
    page = opened("already", accepted)
    assert said(page)[0] == "Already confirmed"
    assert '<html lang="en">' in page.content.decode()


@pytest.mark.usefixtures("persian")
def test_page_by_the_hosts_catalogue(opened):
    """Pages use a catalogue in LOCALE_PATHS too."""
    page = opened("already", "fa")
    assert said(page)[0] == "قبلاً تأیید شده"
    assert '<html lang="fa" dir="rtl">' in page.content.decode()


#: For each catalogue, the word after the number for 1, 2, 5, 21 and 3600.
SECONDS = {
    # In Arabic and Hebrew, 1 and 2 are words.
    "ar": ["ثوانٍ", "ثانية", "ثانية"],
    "de": ["Sekunde", "Sekunden", "Sekunden", "Sekunden", "Sekunden"],
    "es": ["segundo", "segundos", "segundos", "segundos", "segundos"],
    "fr": ["seconde", "secondes", "secondes", "secondes", "secondes"],
    "he": ["שניות", "שניות", "שניות"],
    "it": ["secondo", "secondi", "secondi", "secondi", "secondi"],
    "ja": ["秒後にもう一度お試しください"] * 5,
    "ko": ["초", "초", "초", "초", "초"],
    "nl": ["seconde", "seconden", "seconden", "seconden", "seconden"],
    "pl": ["sekundę", "sekundy", "sekund", "sekund", "sekund"],
    "pt": ["segundo", "segundos", "segundos", "segundos", "segundos"],
    "pt_BR": ["segundo", "segundos", "segundos", "segundos", "segundos"],
    "ru": ["секунду", "секунды", "секунд", "секунду", "секунд"],
    "tr": ["saniye", "saniye", "saniye", "saniye", "saniye"],
    "zh_Hans": ["秒后重试"] * 5,
}


@every_catalogue
def test_plural(locale):
    """Each language has the right form for each number, in both texts with a plural."""
    for first in ["A link was sent a moment ago", "Too many attempts"]:
        one = f"{first}. Please try again in %(seconds)s second."
        with translation.override(translation.to_language(locale)):
            sentences = [
                translation.ngettext(one, one.replace("second.", "seconds."), count)
                for count in (1, 2, 5, 21, 3600)
            ]
        found = re.findall(r"%\(seconds\)s ?([^\s。.]+)", "\n".join(sentences))
        assert found == SECONDS[locale]


@pytest.mark.parametrize(
    ("language", "count", "end"),
    [
        ("ar", 1, "بعد ثانية واحدة."),
        ("ar", 2, "بعد ثانيتين."),
        ("he", 1, "בעוד שנייה אחת."),
        ("he", 2, "בעוד שתי שניות."),
    ],
)
def test_number_as_a_word(language, count, end):
    """In Arabic and Hebrew, one and two seconds are words without a digit."""
    for first in ["A link was sent a moment ago", "Too many attempts"]:
        one = f"{first}. Please try again in %(seconds)s second."
        with translation.override(language):
            assert translation.ngettext(one, f"{one[:-1]}s.", count).endswith(end)


# The admin


def test_turkish_capitals():
    """Turkish names of fields and models do not begin with i, of which Django would make an I."""
    with translation.override("tr"):
        models: Any = apps.get_app_config("resend_confirmation").get_models()
        all_names = [e.verbose_name for model in models for e in (model._meta, *model._meta.fields)]
        names = [str(name) for name in all_names if isinstance(name, Promise)]
    assert "İstemci" in names
    assert [name for name in names if name.startswith("i")] == []


@pytest.mark.django_db
def test_admin(settings):
    """The admin is in the language of staff."""
    settings.LANGUAGE_CODE = "de"
    PendingFactory.create(username="jane", email="jane@example.com")
    browser = Client()
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    page = browser.get("/admin/resend_confirmation/confirmation/").content.decode()
    for text in ["Bestätigung", "Nachricht erneut senden", "Zurückziehen", "ausstehend"]:
        assert text in page
    pk = Confirmation.objects.get().pk
    answer = browser.post(
        "/admin/resend_confirmation/confirmation/",
        {"action": "withdraw", "_selected_action": [pk], "post": "yes", "newest": pk},
        follow=True,
    ).content.decode()
    assert "Zurückgezogen: 1. Nicht ausstehend: 0." in answer

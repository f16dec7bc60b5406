"""Collect the texts for translation; ``python -m tests.catalogues`` updates the catalogues.

The command adds newly marked texts to each ``django.po``, with an empty translation, removes texts
that no longer exist, and compiles each ``django.mo``. It uses Babel instead of gettext's programs,
which would add dates.
"""

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

import resend_confirmation

PACKAGE = Path(resend_confirmation.__file__).parent

#: The name of each catalogue's folder, and the plural forms of its language as in Django's own
#: catalogues, because Django merges them.
PLURALS = {
    "ar": "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : "
    "n%100>=11 && n%100<=99 ? 4 : 5;",
    "de": "nplurals=2; plural=(n != 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "he": "nplurals=4; plural=(n == 1 && n % 1 == 0) ? 0 : (n == 2 && n % 1 == 0) ? 1: "
    "(n % 10 == 0 && n % 1 == 0 && n > 10) ? 2 : 3;",
    "it": "nplurals=2; plural=(n != 1);",
    "ja": "nplurals=1; plural=0;",
    "ko": "nplurals=1; plural=0;",
    "nl": "nplurals=2; plural=(n != 1);",
    "pl": "nplurals=4; plural=(n==1 ? 0 : (n%10>=2 && n%10<=4) && (n%100<12 || n%100>14) ? 1 : "
    "n!=1 && (n%10>=0 && n%10<=1) || (n%10>=5 && n%10<=9) || (n%100>=12 && n%100<=14) ? 2 : 3);",
    "pt": "nplurals=2; plural=(n != 1);",
    "pt_BR": "nplurals=2; plural=(n > 1);",
    "ru": "nplurals=4; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || "
    "n%100>14) ? 1 : n%10==0 || (n%10>=5 && n%10<=9) || (n%100>=11 && n%100<=14)? 2 : 3);",
    "tr": "nplurals=2; plural=(n > 1);",
    "zh_Hans": "nplurals=1; plural=0;",
}

#: The functions that mark a text, as in Django's ``makemessages``; ``1c`` is a context.
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_noop": None,
    "gettext_lazy": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}

HEAD = "# Fill in what is empty, and run ``python -m tests.catalogues`` before and after."


class Fixed(Catalog):
    """A catalogue with a constant header, without dates and names."""

    @property  # type: ignore[misc]
    def mime_headers(self) -> list[tuple[str, str]]:
        """The header's lines, in the order in which they are written."""
        return [
            ("Project-Id-Version", "django-resend-confirmation"),
            ("Language", str(self.locale)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=UTF-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", PLURALS[str(self.locale)]),
        ]

    @property
    def num_plurals(self) -> int:
        """The number of forms in ``PLURALS``; Babel's has one more for compact millions."""
        return int(PLURALS[str(self.locale)].removeprefix("nplurals=")[0])


def folder(locale: str) -> Path:
    """Return the folder with the two files of a catalogue."""
    return PACKAGE / "locale" / locale / "LC_MESSAGES"


def marked() -> Catalog:
    """Return all marked texts of the package, in the order of its files."""
    found = Catalog()
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix == ".py":
            method, text = "python", path.read_text("utf-8")
        elif "templates" in path.relative_to(PACKAGE).parts and path.is_file():
            # Like ``makemessages``: the result for a template resembles JavaScript.
            method, text = "javascript", templatize(path.read_text("utf-8"))
        else:
            continue
        comments = ("Translators:",)
        for _, message, notes, context in extract(
            method, io.BytesIO(text.encode()), keywords=KEYWORDS, comment_tags=comments
        ):
            found.add(message, auto_comments=notes, context=context)
    return found


def read(path: Path, locale: str) -> Catalog:
    """Return the catalogue in a ``.po`` file."""
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def renew(locale: str, texts: Catalog) -> None:
    """Update a catalogue from ``texts``, the marked ones, and compile it."""
    place = folder(locale)
    path = place / "django.po"
    known = read(path, locale) if path.exists() else Catalog(locale)
    fixed = Fixed(locale, header_comment=HEAD, fuzzy=False)
    for message in texts:
        if message.id:
            old = known.get(message.id, message.context)
            fixed.add(
                message.id,
                old.string if old else None,
                auto_comments=message.auto_comments,
                context=message.context,
            )
    place.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, fixed, no_location=True, width=100)
    with (place / "django.mo").open("wb") as file:
        write_mo(file, fixed)


def main() -> None:
    """Update all catalogues."""
    texts = marked()
    for locale in PLURALS:
        renew(locale, texts)


if __name__ == "__main__":
    main()

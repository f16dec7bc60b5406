"""Languages of the site and of our translated texts."""

from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.utils import translation
from django.utils.translation import pgettext

_CATALOGUES = Path(__file__).parent / "locale"


def site_language(*codes: str) -> str:
    """Return the language in LANGUAGES for the first of ``codes`` that has one, else LANGUAGE_CODE.

    Other languages have no pages, since ``i18n_patterns`` has no paths for them.
    """
    for wanted in (*codes, settings.LANGUAGE_CODE):
        with suppress(LookupError):
            return translation.get_supported_language_variant(wanted)
    return settings.LANGUAGE_CODE


def catalogue_language() -> str:
    """Return the active language, or the language of our texts if we have no catalogue for it.

    Use it for ``lang`` attributes and for dates.
    """
    active = translation.get_language() or ""
    # Translators: the code of the language that you translate into, as in LANGUAGES.
    spoken = pgettext("the language of these translations", "en")
    return active if f"{active}-".startswith(f"{spoken}-") else spoken


def offered() -> dict[str, str]:
    """Return the names of the languages in LANGUAGES that have our texts, and of LANGUAGE_CODE."""
    found: dict[str, str] = {}
    for code, name in settings.LANGUAGES:
        # Activating a language loads its catalogues, and LANGUAGES may have a hundred of them.
        if code == site_language() or (_has_file(code) and _is_spoken(code)):
            found[code] = str(name)
    return found


def _has_file(code: str) -> bool:
    locale = translation.to_locale(code)
    language = locale.partition("_")[0]
    return language == "en" or any(
        (folder / name / "LC_MESSAGES" / "django.mo").exists()
        for folder in [_CATALOGUES, *map(Path, settings.LOCALE_PATHS)]
        for name in (locale, language)
    )


def _is_spoken(code: str) -> bool:
    with translation.override(code):
        return catalogue_language() == code

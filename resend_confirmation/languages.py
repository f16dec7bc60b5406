"""Languages of the site and of our translated texts."""

from contextlib import suppress

from django.conf import settings
from django.utils import translation
from django.utils.translation import pgettext


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

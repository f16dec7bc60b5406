"""The languages of the app's messages."""

from pathlib import Path

from django.utils.translation import get_language_info, to_language

import resend_confirmation

CATALOGUES = Path(resend_confirmation.__file__).with_name("locale")


def message_languages() -> list[tuple[str, str]]:
    """Return code and name of each language that messages are translated into, and English."""
    translated = {to_language(path.name) for path in CATALOGUES.iterdir() if path.is_dir()}
    return [(code, language_name(code)) for code in sorted({"en", *translated})]


def language_name(code: str) -> str:
    """Return the language's own name for itself, or the code if Django does not know it."""
    try:
        return str(get_language_info(code)["name_local"])
    except KeyError:
        return code

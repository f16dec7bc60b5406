"""The example site with the CORS settings of the documentation, whose examples are executed."""

import re
from pathlib import Path
from typing import Any

import environ
from example.settings import *  # noqa: F403
from example.settings import INSTALLED_APPS, MIDDLEWARE

DOCS = Path(__file__).resolve().parents[2] / "docs"


def documented(page: Path) -> dict[str, Any]:
    """Return the CORS settings of the page."""
    text = page.read_text(encoding="utf-8")
    said: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        if "CORS_" in block:
            exec(block, said)
    return said


HOW_TO = documented(DOCS / "how-to" / "cors.md")
# A reader uses one vendor's page; this site combines several.
PAGES = [documented(DOCS / "dialects" / f"{name}.md") for name in environ.Env().list("CORS_PAGES")]

INSTALLED_APPS = [*INSTALLED_APPS, *set(HOW_TO["INSTALLED_APPS"]) - set(INSTALLED_APPS)]
MIDDLEWARE = [*[name for name in HOW_TO["MIDDLEWARE"] if name not in MIDDLEWARE], *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = environ.Env().list("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = "|".join(page["CORS_URLS_REGEX"] for page in PAGES)
CORS_EXPOSE_HEADERS = [
    name for page in [HOW_TO, *PAGES] for name in page.get("CORS_EXPOSE_HEADERS", [])
]
CORS_ALLOW_HEADERS = [
    name for page in [HOW_TO, *PAGES] for name in page.get("CORS_ALLOW_HEADERS", [])
]
CORS_ALLOW_CREDENTIALS = any(page.get("CORS_ALLOW_CREDENTIALS") for page in PAGES)

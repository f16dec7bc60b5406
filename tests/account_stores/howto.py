"""Make the code blocks of the how-tos importable under the module names that they give."""

import re
import sys
from pathlib import Path
from types import ModuleType

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"
SIGN_UP = HOW_TO / "start-at-sign-up.md"
STORES = HOW_TO / "account-stores.md"


def shown(name, words, monkeypatch, *, page=SIGN_UP, instead=None):
    """Return the page's code block that contains ``words``, imported as the module ``name``.

    ``instead`` maps the page's placeholders to names that exist in the tests.
    """
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)
    (source,) = (block for block in blocks if words in block)
    for placeholder, name_here in (instead or {}).items():
        source = source.replace(placeholder, name_here)
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name.partition(".")[0], ModuleType("shop"))
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, str(page), "exec"), vars(module))
    return module

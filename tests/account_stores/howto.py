"""The code of the how-tos, importable as the modules that they say it is in."""

import re
import sys
from pathlib import Path
from types import ModuleType

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"
SIGN_UP = HOW_TO / "start-at-sign-up.md"
STORES = HOW_TO / "account-stores.md"


def shown(name, words, monkeypatch, *, page=SIGN_UP, instead=None):
    """The block of the page that has ``words``, as the module ``name`` while the test runs.

    ``instead`` is what to read for words that stand for something of the reader's own.
    """
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)
    (source,) = (block for block in blocks if words in block)
    for theirs, ours in (instead or {}).items():
        source = source.replace(theirs, ours)
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name.partition(".")[0], ModuleType("shop"))
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, str(page), "exec"), vars(module))
    return module

"""The contract of dialects: tests for custom dialects.

They need pytest and pytest-django; the extra ``testing`` installs both. See
docs/how-to/add-a-dialect.md.
"""

import pytest

# Failed assertions in these modules then show the compared values.
_MODULES = ("case", "document", "endings", "failing", "inputs", "silence", "site", "trust")
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _MODULES))

from .asgi import over_asgi
from .case import ADDRESS, Answers, Case, Reply, Request, expected, link_of, to_reply, token_of
from .contract import Contract, expand, where
from .document import Document
from .endings import Endings, Headers
from .failing import Failing
from .inputs import BadInput, Identities
from .silence import Silence
from .site import NOW, Clock, Site, forget_counts, make_account
from .trust import Trust


class DialectContract(Endings, Headers, BadInput, Identities, Trust, Failing, Silence, Document):
    """The whole contract. A subclass sets ``cases``."""


__all__ = [
    "ADDRESS",
    "NOW",
    "Answers",
    "BadInput",
    "Case",
    "Clock",
    "Contract",
    "DialectContract",
    "Document",
    "Endings",
    "Failing",
    "Headers",
    "Identities",
    "Reply",
    "Request",
    "Silence",
    "Site",
    "Trust",
    "expand",
    "expected",
    "forget_counts",
    "link_of",
    "make_account",
    "over_asgi",
    "to_reply",
    "token_of",
    "where",
]

"""Message that the adapter hands to a backend."""

import secrets
from email.policy import Compat32
from typing import Any

from django.core.mail import EmailMultiAlternatives

#: Length of a line from which headers may be folded (RFC 5322, section 2.1.1).
FOLDED_FROM = 78


class Message(EmailMultiAlternatives):
    """A message that records whether a backend has requested its bytes.

    Django's own backends request them once they have a connection.
    """

    is_written = False

    def message(self, *args: Any, **kwargs: Any) -> Any:
        self.is_written = True
        built: Any = super().message(*args, **kwargs)
        # Without a boundary, the generator searches the parts for one that is not in them.
        built.set_boundary(secrets.token_hex(16))
        if isinstance(built.policy, Compat32):
            for part in built.walk():
                part.policy = _POLICY
        return built


class _Policy(Compat32):
    """Django's policy before version 6, without the search for places to fold short headers."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        is_plain = isinstance(value, str) and value.isascii() and value.isprintable()
        if is_plain and len(name) + len(": ") + len(value) < FOLDED_FROM:
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _Policy()

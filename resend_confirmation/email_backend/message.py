"""Message that the adapter hands to a backend."""

from typing import Any

from django.core.mail import EmailMultiAlternatives


class Message(EmailMultiAlternatives):
    """A message that records whether a backend has requested its bytes.

    Django's own backends request them once they have a connection.
    """

    is_written = False

    def message(self, *args: Any, **kwargs: Any) -> Any:
        self.is_written = True
        return super().message(*args, **kwargs)

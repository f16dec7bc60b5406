"""The messages that an SMTP server received, for tests to wait for."""

import threading
from email import message_from_bytes, policy

from tests.demonstration import DEADLINE


class Mailbox:
    """An SMTP server's handler, which stores messages."""

    def __init__(self) -> None:
        self._messages: list = []
        self._arrived = threading.Condition()

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - aiosmtpd's
        with self._arrived:
            message = message_from_bytes(envelope.content, policy=policy.default)
            self._messages.append((envelope.rcpt_tos, message))
            self._arrived.notify_all()
        return "250 OK"

    @property
    def messages(self) -> list:
        """All messages so far, with their recipients."""
        with self._arrived:
            return list(self._messages)

    def message_to(self, address: str):
        """Wait for the message to an address and return it; there must be exactly one."""

        def found():
            return [message for recipients, message in self._messages if recipients == [address]]

        with self._arrived:
            assert self._arrived.wait_for(found, DEADLINE), f"nothing came to {address}"
            (message,) = found()
        return message

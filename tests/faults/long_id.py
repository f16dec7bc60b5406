"""A provider that hands messages on by SMTP, and whose ids are longer than our column."""

import os
import smtplib
from typing import Any

from anymail.backends import test


class EmailBackend(test.EmailBackend):  # type: ignore[misc]
    """django-anymail's backend for tests, with a real hand-over."""

    def post_to_esp(self, payload: Any, message: Any) -> Any:
        """Hand the message to the mail server of the test."""
        port = int(os.environ["FAULTS_SMTP_PORT"])
        with smtplib.SMTP("127.0.0.1", port) as session:
            session.send_message(message.message())
        return super().post_to_esp(payload, message)

    def get_esp_message_id(self, message: Any) -> str:
        """Return an id of 300 characters."""
        return "x" * 300

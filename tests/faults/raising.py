"""A mail backend that hands the message over and raises afterwards, by chance."""

import os
import random

from django.core.mail.backends import smtp

CHANCE = float(os.environ.get("FAULTS_RAISE", "0"))


class EmailBackend(smtp.EmailBackend):
    """Django's SMTP backend, followed by a step of the host site that sometimes fails."""

    def send_messages(self, messages):
        sent = super().send_messages(messages)
        if sent and random.random() < CHANCE:
            with open(os.environ["FAULTS_RAISED"], "a") as raised:
                raised.write(f"{messages[0].extra_headers['Message-ID']}\n")
            raise RuntimeError("the archive is down")
        return sent

"""Compare messages by recipient and link."""

import re


def links(messages):
    """Return the recipients and the confirm links of messages."""
    return [
        (to, re.findall(r"https://site\.example/confirm/\?token=\S+", body))
        for to, body in messages
    ]

"""The text that two messages share, apart from the words that identify each message."""

import re


def links(messages):
    """The recipients and the confirm links of messages."""
    return [
        (to, re.findall(r"https://site\.example/confirm/\?token=\S+", body))
        for to, body in messages
    ]

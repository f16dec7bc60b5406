"""What two messages have in common, when they say in other words which message each is."""

import re


def links(messages):
    """The recipients and the confirm links of messages."""
    return [
        (to, re.findall(r"https://site\.example/confirm/\?token=\S+", body))
        for to, body in messages
    ]

"""E-mail backend adapter: hands a message to any of Django's or django-anymail's backends.

It adds a wall-clock deadline, an idempotency key and options per provider, and classifies what
happened to the message.
"""

from .classification import Failure, SendResult
from .connection import Connection
from .message import Message

__all__ = ["Connection", "Failure", "Message", "SendResult"]

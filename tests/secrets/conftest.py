"""The mails to ADMINS about everything that is logged."""

import logging
from contextlib import contextmanager

import django
import pytest
from django.core import mail
from django.utils.log import AdminEmailHandler


def is_text(part):
    return part.get_content_maintype() == "text"


def text_of(part):
    return part.get_payload(decode=True).decode()


@contextmanager
def unlogged():
    """Reports are rendered by templates, which log missing variables: this would recurse."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class Reporter(AdminEmailHandler):
    """Django's handler, but for the statements that it would mail."""

    def emit(self, record):
        if not record.name.startswith("django.db"):
            with unlogged():
                super().emit(record)


@pytest.fixture
def reports(settings):
    """The mails to ADMINS about every record, with the local variables of each frame."""
    staff = "staff@site.example"
    settings.ADMINS = [staff if django.VERSION >= (6, 0) else ("Staff", staff)]
    handler = Reporter(include_html=True)
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in LOGGERS]
    levels = [(logger, logger.level) for logger in (root, *ours)]
    root.addHandler(handler)
    for logger in (root, *ours):
        logger.setLevel(logging.DEBUG)

    def read():
        found = []
        for message in mail.outbox:
            if message.to == ["staff@site.example"]:
                html = [text_of(part) for part in message.message().walk() if is_text(part)]
                found += [str(message.subject), *html]
        return "\n".join(found)

    yield read
    root.removeHandler(handler)
    for logger, level in levels:
        logger.setLevel(level)


LOGGERS = ("django", "django.request", "django.template", "django.server", "resend_confirmation")

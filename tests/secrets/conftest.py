"""The error mails to ADMINS, sent for every log record."""

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
    """Disable logging: reports are rendered by templates, whose own log records would recurse."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class Reporter(AdminEmailHandler):
    """Django's handler, except that it does not mail the records of SQL statements."""

    def emit(self, record):
        if not record.name.startswith("django.db"):
            with unlogged():
                super().emit(record)


@pytest.fixture
def reports(settings):
    """Return the text of all mails to ADMINS: one for each record, with local variables."""
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

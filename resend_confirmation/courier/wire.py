"""Watching a connection: how far a message got, from what was said and not from what was raised.

An exception tells where the code was, which may be long after the mail server took the message.
"""

import smtplib
from dataclasses import replace
from typing import Any

from anymail.backends.base import AnymailBaseBackend
from anymail.exceptions import AnymailError
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend

from . import extras, receipts
from .receipts import Kind, Receipt, Stage

#: Stands for a backend that raised nothing and says that it sent nothing.
NOTHING_SENT = "NotAccepted"


def watch(connection: Any) -> "Wire":
    """Return what watches ``connection``, a backend that was not opened yet."""
    if isinstance(connection, AnymailBaseBackend):
        return AnymailWire(connection)
    return SMTPWire(connection) if isinstance(connection, SMTPBackend) else Wire()


class Wire:
    """A backend that cannot be watched: it may have sent all that it was given."""

    def begin(self) -> None:
        """Start over, for the next message."""

    def end(self) -> None:
        """Let what still runs neither hand the message over nor be heard any more."""

    def judge(self, message: EmailMultiAlternatives, error: Exception | None) -> Receipt:
        """Return what became of ``message``, which was not reported as sent.

        ``error`` is what the backend raised, None where it raised nothing.
        """
        if known := _by_statuses(message, error):
            # It wraps one of django-anymail's.
            return known
        is_written = getattr(message, "is_written", False)
        stage = Stage.WRITTEN if is_written else Stage.HANDED
        return _receipt_for(error, stage, Kind.AMBIGUOUS)


def _receipt_for(error: Exception | None, stage: Stage, silent: Kind) -> Receipt:
    return receipts.of(error, stage) if error else Receipt(silent, error_class=NOTHING_SENT)


def _by_statuses(message: EmailMultiAlternatives, error: Exception | None) -> Receipt | None:
    """Return what django-anymail wrote on the message; None where it wrote nothing."""
    statuses = extras.statuses(message)
    if not statuses:
        return None
    kind = Kind.REFUSED if statuses <= extras.REFUSALS else Kind.ACCEPTED
    return Receipt(kind, error_class=_name_of(error))


def _name_of(error: Exception | None) -> str:
    return receipts.name_of(error) if error else NOTHING_SENT


class SMTPWire(Wire):
    """Django's SMTP backend or a subclass: the replies in the sessions that it opens decide."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._open = backend.open
        # The backend opens its later sessions by this too.
        self._backend.open = self._open_and_listen
        self._session: Any = None
        self._transcript = Transcript()

    def begin(self) -> None:
        self._transcript = Transcript()

    def end(self) -> None:
        self._transcript.is_over = True

    def judge(self, message: EmailMultiAlternatives, error: Exception | None) -> Receipt:
        self.end()
        transcript = self._transcript
        if self._backend.connection is not None and self._session is None:
            # A session that is not smtplib's.
            return super().judge(message, error)
        verdict = transcript.verdict()
        if verdict is None:
            receipt = _receipt_for(error, Stage.BEGUN, Kind.NOT_ACCEPTED)
            return replace(receipt, early=transcript.has_begun and isinstance(error, OSError))
        kind, code = verdict
        return Receipt(kind, "", _name_of(error), str(code or ""), early=transcript.is_early)

    def _open_and_listen(self) -> Any:
        opened = self._open()
        session = self._backend.connection
        if isinstance(session, smtplib.SMTP) and session is not self._session:
            self._session = session
            self._listen(session)
        return opened

    def _listen(self, session: Any) -> None:
        send, getreply = session.send, session.getreply

        def note_and_send(data: str | bytes) -> None:
            if self._transcript.is_over:
                session.close()
                raise smtplib.SMTPServerDisconnected("The message was given up")
            self._transcript.note_sending(data)
            try:
                send(data)
            except BaseException:
                self._transcript.note_break()
                raise

        def get_and_note() -> tuple[int, bytes]:
            try:
                code, text = getreply()
            except BaseException:
                self._transcript.note_break()
                raise
            self._transcript.note_reply(code)
            return code, text

        session.send, session.getreply = note_and_send, get_and_note


class Transcript:
    """The replies to the commands of one message (RFC 5321, section 4.1.1)."""

    def __init__(self) -> None:
        self.is_over = False
        self.has_begun = False
        self._verb = ""
        self._codes: dict[str, int] = {}
        self._in_body = False
        self._accepted = False
        self._in_doubt = False

    def note_sending(self, data: str | bytes) -> None:
        """Note a command, or the body after the server let it come."""
        self.has_begun = True
        if self._in_body:
            return
        line = data if isinstance(data, str) else data.decode("ascii", "replace")
        self._verb = line[:4].lower()
        if self._verb == "mail":
            self._codes.clear()

    def note_reply(self, code: int) -> None:
        """Note the reply to what was sent last; of a session that was cut it may be half a line."""
        if self.is_over:
            return
        if self._in_body:
            self._in_body = False
            self._codes["body"] = code
            self._accepted |= 200 <= code < 300  # noqa: PLR2004 - RFC 5321, section 4.2.1
            self._in_doubt |= not 400 <= code < 600  # noqa: PLR2004
        else:
            self._codes[self._verb] = code
            self._in_body = (self._verb, code) == ("data", 354)

    def note_break(self) -> None:
        """Note that the session broke: a body that was under way is in doubt for good."""
        self._in_doubt |= self._in_body
        self._in_body = False

    def verdict(self) -> tuple[Kind, int | None] | None:
        """Return what the server made of the message; None if it did not say."""
        if self._accepted:
            return Kind.ACCEPTED, None
        if self._in_doubt or self._in_body:
            return Kind.AMBIGUOUS, None
        for verb, (good, refused) in _VERBS.items():
            code = self._codes.get(verb)
            if code is not None and code not in good:
                return (refused if receipts.is_final(code) else Kind.NOT_ACCEPTED), code
        return None

    @property
    def is_early(self) -> bool:
        """Whether the server put the message off before it let the body come."""
        return "body" not in self._codes


#: The replies with which smtplib goes on, and what a 5xx means; the last command first.
_VERBS: dict[str, tuple[set[int], Kind]] = {
    "body": (set(), Kind.REFUSED),
    "data": ({354}, Kind.REFUSED),
    "rcpt": ({250, 251}, Kind.REFUSED),
    # The sender is the same for every message: no recipient is to blame.
    "mail": ({250}, Kind.CONFIGURATION),
}


class AnymailWire(Wire):
    """A backend of django-anymail: its request, and the status that it wrote on the message."""

    def __init__(self, backend: AnymailBaseBackend) -> None:
        self._post = backend.post_to_esp
        backend.post_to_esp = self._post_and_note
        self.begin()

    def begin(self) -> None:
        self._is_over = self._has_asked = self._is_answered = False
        self._error: Exception | None = None

    def end(self) -> None:
        self._is_over = True

    def judge(self, message: EmailMultiAlternatives, error: Exception | None) -> Receipt:
        self.end()
        if not self._has_asked:
            return _receipt_for(error, Stage.BEGUN, Kind.NOT_ACCEPTED)
        if known := _by_statuses(message, error):
            return known
        if self._is_answered and not isinstance(error, AnymailError):
            # Anymail raises an error of its own for an answer that is one.
            return Receipt(Kind.ACCEPTED, error_class=_name_of(error))
        # A backend that fails silently keeps what its request raised to itself. What anymail did
        # not make an error of its own was not raised by its request.
        return _receipt_for(error or self._error, Stage.WRITTEN, Kind.AMBIGUOUS)

    def _post_and_note(self, *args: Any, **kwargs: Any) -> Any:
        if self._is_over:
            raise RuntimeError("The message was given up")
        self._has_asked, self._is_answered, self._error = True, False, None
        try:
            answer = self._post(*args, **kwargs)
        except Exception as error:
            self._error = error
            raise
        self._is_answered = True
        return answer

"""Observers of a backend, which record how far a message got.

An exception only shows where the code was. The mail server may have accepted the message long
before.
"""

import smtplib
from typing import Any

from anymail.backends.base import AnymailBaseBackend
from anymail.exceptions import AnymailError
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend

from .. import redaction
from . import anymail_options
from .classification import Failure, SendResult, Stage, classify, is_final, name_of

#: ``error_class`` for a backend that raised nothing and reported that nothing was sent.
NOTHING_SENT = "NotAccepted"


def observe(backend: Any) -> "Observer":
    """Return an observer for ``backend``, which is not open yet."""
    if isinstance(backend, AnymailBaseBackend):
        return AnymailObserver(backend)
    return SMTPObserver(backend) if isinstance(backend, SMTPBackend) else Observer()


class Observer:
    """Observer of any backend, which may have sent everything that it was given."""

    def begin(self) -> None:
        """Start over for the next message."""

    def end(self) -> None:
        """Stop the message: running work must not hand it over, and its replies are ignored."""

    def judge(self, message: EmailMultiAlternatives, error: Exception | None) -> SendResult:
        """Return the result for ``message``, which was not reported as sent.

        ``error`` is the exception that the backend raised, or None.
        """
        if known := _by_statuses(message, error):
            # The backend wraps one of django-anymail's.
            return known
        is_written = getattr(message, "is_written", False)
        stage = Stage.WRITTEN if is_written else Stage.HANDED_OVER
        return _result_of(error, stage, Failure.AMBIGUOUS)


def _result_of(error: Exception | None, stage: Stage, silent: Failure) -> SendResult:
    return classify(error, stage) if error else SendResult(silent, error_class=NOTHING_SENT)


def _by_statuses(message: EmailMultiAlternatives, error: Exception | None) -> SendResult | None:
    """Return the result that django-anymail wrote on the message, or None if it wrote nothing."""
    statuses = anymail_options.statuses(message)
    if not statuses:
        return None
    failure = Failure.REFUSED if statuses <= anymail_options.REFUSALS else None
    return SendResult(failure, error_class=_name_of(error))


def _name_of(error: Exception | None) -> str:
    return name_of(error) if error else NOTHING_SENT


class SMTPObserver(Observer):
    """Observer of Django's SMTP backend or a subclass: the replies in its sessions decide."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._open = backend.open
        # The backend calls this for its later sessions too.
        self._backend.open = self._open_and_listen
        self._session: Any = None
        self._transcript = Transcript()

    def begin(self) -> None:
        self._transcript = Transcript()

    def end(self) -> None:
        self._transcript.is_over = True

    def judge(self, message: EmailMultiAlternatives, error: Exception | None) -> SendResult:
        self.end()
        transcript = self._transcript
        if self._backend.connection is not None and self._session is None:
            # The session is not one of smtplib's.
            return super().judge(message, error)
        verdict = transcript.verdict()
        if verdict is None:
            result = _result_of(error, Stage.BEGUN, Failure.NOT_ACCEPTED)
            return result._replace(early=transcript.has_begun and isinstance(error, OSError))
        failure, code = verdict
        reply = redaction.without_addresses(transcript.reply_with(code), message.to[0])
        return SendResult(
            failure, "", _name_of(error), str(code or ""), reply, early=transcript.is_early
        )

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
            self._transcript.note_reply(code, text)
            return code, text

        session.send, session.getreply = note_and_send, get_and_note


class Transcript:
    """The replies to the commands of one message (RFC 5321, section 4.1.1)."""

    def __init__(self) -> None:
        self.is_over = False
        self.has_begun = False
        self._verb = ""
        self._codes: dict[str, int] = {}
        self._texts: dict[int, bytes] = {}
        self._in_body = False
        self._accepted = False
        self._is_ambiguous = False

    def note_sending(self, data: str | bytes) -> None:
        """Note a command, or the body after the server has requested it."""
        self.has_begun = True
        if self._in_body:
            return
        line = data if isinstance(data, str) else data.decode("ascii", "replace")
        self._verb = line[:4].lower()
        if self._verb == "mail":
            self._codes.clear()

    def note_reply(self, code: int, text: bytes = b"") -> None:
        """Note the reply to the last command or to the body.

        After the end it is ignored, since a reply of a closed session may be half a line.
        """
        if self.is_over:
            return
        self._texts[code] = text
        if self._in_body:
            self._in_body = False
            self._codes["body"] = code
            self._accepted |= 200 <= code < 300  # noqa: PLR2004 - RFC 5321, section 4.2.1
            self._is_ambiguous |= not 400 <= code < 600  # noqa: PLR2004
        else:
            self._codes[self._verb] = code
            self._in_body = (self._verb, code) == ("data", 354)

    def note_break(self) -> None:
        """Note that the session broke. If the body was under way, the message stays ambiguous."""
        self._is_ambiguous |= self._in_body
        self._in_body = False

    def verdict(self) -> tuple[Failure | None, int | None] | None:
        """Return the server's verdict on the message, or None if it gave none."""
        if self._accepted:
            return None, None
        if self._is_ambiguous or self._in_body:
            return Failure.AMBIGUOUS, None
        for verb, (good, refused) in _VERBS.items():
            code = self._codes.get(verb)
            if code is not None and code not in good:
                return (refused if is_final(code) else Failure.NOT_ACCEPTED), code
        return None

    def reply_with(self, code: int | None) -> str:
        """Return the newest reply with ``code``; an empty text for None."""
        return f"{code} {self._texts[code].decode('utf-8', 'replace')}" if code else ""

    @property
    def is_early(self) -> bool:
        """True if the server deferred the message before its body was sent."""
        return "body" not in self._codes


#: Replies after which smtplib goes on, and the meaning of a 5xx; the last command first.
_VERBS: dict[str, tuple[set[int], Failure]] = {
    "body": (set(), Failure.REFUSED),
    "data": ({354}, Failure.REFUSED),
    "rcpt": ({250, 251}, Failure.REFUSED),
    # The sender is the same for every message, so the recipient is not the cause.
    "mail": ({250}, Failure.CONFIGURATION),
}


class AnymailObserver(Observer):
    """Observer of django-anymail's requests, and of the status that it wrote on the message."""

    def __init__(self, backend: AnymailBaseBackend) -> None:
        self._post_to_esp = backend.post_to_esp
        backend.post_to_esp = self._post_and_note
        self.begin()

    def begin(self) -> None:
        self._is_over = self._has_asked = self._is_answered = False
        self._error: Exception | None = None

    def end(self) -> None:
        self._is_over = True

    def judge(self, message: EmailMultiAlternatives, error: Exception | None) -> SendResult:
        self.end()
        if not self._has_asked:
            return _result_of(error, Stage.BEGUN, Failure.NOT_ACCEPTED)
        if known := _by_statuses(message, error):
            return known
        if self._is_answered and not isinstance(error, AnymailError):
            # Anymail raises an AnymailError for an answer that is an error.
            return SendResult(error_class=_name_of(error))
        # A backend that fails silently does not raise the error of its request, so the recorded one
        # is used. An exception that is not an AnymailError was not raised by the request.
        return _result_of(error or self._error, Stage.WRITTEN, Failure.AMBIGUOUS)

    def _post_and_note(self, *args: Any, **kwargs: Any) -> Any:
        if self._is_over:
            raise RuntimeError("The message was given up")
        self._has_asked, self._is_answered, self._error = True, False, None
        try:
            answer = self._post_to_esp(*args, **kwargs)
        except Exception as error:
            self._error = error
            raise
        self._is_answered = True
        return answer

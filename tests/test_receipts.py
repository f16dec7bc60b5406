"""Receipts: each exception that a mail backend raises, and what the courier makes of it."""

import smtplib
import socket
import ssl
from collections.abc import Callable

import pytest
import requests
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailRequestsAPIError,
    AnymailSerializationError,
    AnymailUnsupportedFeature,
)
from django.core.exceptions import ImproperlyConfigured

from resend_confirmation.courier import receipts
from resend_confirmation.courier.deadline import DeadlineExceeded
from resend_confirmation.courier.receipts import Kind

from .demonstration import free_port

ACCEPTED, NOT_ACCEPTED, REFUSED = Kind.ACCEPTED, Kind.NOT_ACCEPTED, Kind.REFUSED
UNSUPPORTED, AMBIGUOUS, CONFIGURATION = Kind.UNSUPPORTED, Kind.AMBIGUOUS, Kind.CONFIGURATION


def response(status):
    made = requests.Response()
    made.status_code = status
    made._content = b"{}"
    return made


def over_http(status):
    return AnymailRequestsAPIError("no", response=response(status))


#: What is raised, what it is while a message is under way, before one is, and the code.
TABLE = [
    (smtplib.SMTPRecipientsRefused({"a@b": (550, b"no")}), REFUSED, REFUSED, "550"),
    (smtplib.SMTPRecipientsRefused({"a@b": (553, b"no")}), REFUSED, REFUSED, "553"),
    (smtplib.SMTPRecipientsRefused({"a@b": (450, b"later")}), NOT_ACCEPTED, NOT_ACCEPTED, "450"),
    (smtplib.SMTPRecipientsRefused({"a@b": (421, b"bye")}), NOT_ACCEPTED, NOT_ACCEPTED, "421"),
    (smtplib.SMTPSenderRefused(550, b"no", "a@b"), CONFIGURATION, CONFIGURATION, "550"),
    (smtplib.SMTPSenderRefused(451, b"later", "a@b"), NOT_ACCEPTED, NOT_ACCEPTED, "451"),
    (smtplib.SMTPDataError(554, b"no"), REFUSED, REFUSED, "554"),
    (smtplib.SMTPDataError(452, b"full"), NOT_ACCEPTED, NOT_ACCEPTED, "452"),
    (smtplib.SMTPAuthenticationError(535, b"no"), CONFIGURATION, CONFIGURATION, "535"),
    (smtplib.SMTPAuthenticationError(454, b"later"), NOT_ACCEPTED, NOT_ACCEPTED, "454"),
    (smtplib.SMTPNotSupportedError("no STARTTLS"), CONFIGURATION, CONFIGURATION, ""),
    (smtplib.SMTPConnectError(554, b"go away"), NOT_ACCEPTED, NOT_ACCEPTED, "554"),
    (smtplib.SMTPConnectError(421, b"busy"), NOT_ACCEPTED, NOT_ACCEPTED, "421"),
    (smtplib.SMTPHeloError(501, b"who?"), NOT_ACCEPTED, NOT_ACCEPTED, "501"),
    (smtplib.SMTPServerDisconnected("gone"), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (smtplib.SMTPException("no"), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (TimeoutError(), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (ConnectionRefusedError(), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (ConnectionResetError(), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (BrokenPipeError(), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (socket.gaierror(-2, "unknown host"), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (ssl.SSLEOFError(8, "gone"), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (ssl.SSLCertVerificationError(1, "expired"), CONFIGURATION, CONFIGURATION, ""),
    (ImproperlyConfigured("no"), CONFIGURATION, CONFIGURATION, ""),
    (ModuleNotFoundError("no"), CONFIGURATION, CONFIGURATION, ""),
    (DeadlineExceeded(), AMBIGUOUS, NOT_ACCEPTED, ""),
    (ValueError("a header"), UNSUPPORTED, CONFIGURATION, ""),
    (UnicodeEncodeError("ascii", "\u00fc", 0, 1, "no"), UNSUPPORTED, CONFIGURATION, ""),
    (RuntimeError("no"), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (requests.ConnectTimeout(), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (requests.ReadTimeout(), AMBIGUOUS, AMBIGUOUS, ""),
    (AnymailRecipientsRefused(), REFUSED, REFUSED, ""),
    (AnymailInvalidAddress("no"), REFUSED, REFUSED, ""),
    (AnymailUnsupportedFeature("no"), CONFIGURATION, CONFIGURATION, ""),
    (AnymailUnsupportedFeature("EAI in to"), UNSUPPORTED, UNSUPPORTED, ""),
    (AnymailUnsupportedFeature("EAI in from_email"), CONFIGURATION, CONFIGURATION, ""),
    (AnymailConfigurationError("no"), CONFIGURATION, CONFIGURATION, ""),
    (AnymailSerializationError("no"), UNSUPPORTED, UNSUPPORTED, ""),
    (AnymailAPIError("no"), NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (over_http(400), REFUSED, REFUSED, "400"),
    (over_http(401), CONFIGURATION, CONFIGURATION, "401"),
    (over_http(403), CONFIGURATION, CONFIGURATION, "403"),
    (over_http(404), CONFIGURATION, CONFIGURATION, "404"),
    (over_http(408), NOT_ACCEPTED, NOT_ACCEPTED, "408"),
    (over_http(420), CONFIGURATION, CONFIGURATION, "420"),
    (over_http(422), REFUSED, REFUSED, "422"),
    (over_http(429), NOT_ACCEPTED, NOT_ACCEPTED, "429"),
    (over_http(500), NOT_ACCEPTED, NOT_ACCEPTED, "500"),
    (over_http(503), NOT_ACCEPTED, NOT_ACCEPTED, "503"),
]


@pytest.mark.parametrize(
    ("error", "under_way", "before", "code"),
    TABLE,
    ids=[f"{type(row[0]).__name__}-{row[3]}".rstrip("-") for row in TABLE],
)
def test_table(error, under_way, before, code):
    """An error is of one kind, and of its text, which quotes addresses, nothing is kept."""
    for handed, kind in ((True, under_way), (False, before)):
        receipt = receipts.of(error, handed=handed)
        assert (receipt.kind, receipt.error_code) == (kind, code)
        assert receipt.error_class == type(error).__name__
        assert receipt.provider_id == ""


def subclasses(parent):
    for child in parent.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_error_of_smtplib_is_in_the_table():
    """Whatever smtplib may raise has its line."""
    known = {type(row[0]) for row in TABLE}
    ours = {each for each in subclasses(smtplib.SMTPException) if each.__module__ == "smtplib"}
    assert ours - known == {smtplib.SMTPResponseException}


# Sessions that break, by where they do


class Lines:
    """The server's side of an SMTP session, in answers; after the last one the line is dead."""

    def __init__(self, *answers: bytes):
        self.ours, self.theirs = socket.socketpair()
        self.session = smtplib.SMTP(local_hostname="here")
        self.session.sock = self.ours
        self.theirs.sendall(b"".join(answers))
        self.theirs.shutdown(socket.SHUT_WR)

    def send(self):
        self.session.ehlo_resp = b""
        self.session.esmtp_features = {}
        self.session.sendmail("site@site.example", ["a@b.example"], b"Subject: x\r\n\r\nhello")

    def close(self):
        self.session.close()
        self.theirs.close()


def broken(answers: list[bytes]) -> BaseException:
    lines = Lines(*answers)
    try:
        lines.send()
    except smtplib.SMTPException as error:
        return error
    finally:
        lines.close()
    raise AssertionError("it was not broken")


OK = b"250 OK\r\n"


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([], NOT_ACCEPTED),
        ([OK], NOT_ACCEPTED),
        ([OK, OK], NOT_ACCEPTED),
        ([OK, OK, b"354 go\r\n"], AMBIGUOUS),
        ([OK, OK, b"354 go\r\n", b"250-half an ans"], AMBIGUOUS),
        ([OK, OK, b"354 go\r\n", b"25"], AMBIGUOUS),
        ([OK, OK, b"354 go\r\n", b"mumble\r\n"], AMBIGUOUS),
        ([OK, b"2"], NOT_ACCEPTED),
    ],
    ids=[
        "at MAIL",
        "at RCPT",
        "at DATA",
        "after the final dot",
        "within the answer",
        "within its code",
        "no answer at all",
        "within the code at RCPT",
    ],
)
def test_broken_sessions(answers, kind):
    """A session that breaks leaves a doubt only once the server let the body come."""
    error = broken(answers)
    assert receipts.of(error, handed=True).kind is kind


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([OK], NOT_ACCEPTED),
        ([OK, b"2"], NOT_ACCEPTED),
        ([OK, OK, b"354 go\r\n"], AMBIGUOUS),
        ([OK, OK, b"354 go\r\n", b"22"], AMBIGUOUS),
    ],
    ids=["at RCPT", "within its answer", "after the final dot", "within its answer"],
)
def test_cut_at_the_deadline(answers, kind):
    """Of a send that was cut off, what it raised then tells whether there is a doubt."""
    exceeded = DeadlineExceeded()
    exceeded.__cause__ = broken(answers)
    receipt = receipts.of(exceeded, handed=True)
    assert (receipt.kind, receipt.error_class) == (kind, "DeadlineExceeded")


def test_cut_off_in_a_way_that_tells_nothing():
    """A send that was cut off and raised what no SMTP session does may have gone out."""
    exceeded = DeadlineExceeded()
    exceeded.__cause__ = RuntimeError("closed")
    assert receipts.of(exceeded, handed=True).kind is AMBIGUOUS


# Real errors of real libraries


def connect_smtp():
    smtplib.SMTP("127.0.0.1", free_port())


def connect_http():
    requests.post(f"http://127.0.0.1:{free_port()}/", timeout=5)


def ask_for_a_host():
    smtplib.SMTP("no-such-host.invalid")


def raised_by(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError(f"{work} raised nothing")


@pytest.mark.parametrize("work", [connect_smtp, connect_http, ask_for_a_host])
def test_nobody_listens(work):
    """Where there was no connection the message was not accepted, and there is no doubt."""
    assert receipts.of(raised_by(work), handed=True).kind is NOT_ACCEPTED


def test_http_that_breaks():
    """An HTTP server that hangs up over a request may have accepted it."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)

    def post():
        requests.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", data=b"x", timeout=0.2)

    with listener:
        # Nobody accepts: the kernel takes the connection and nothing ever answers.
        error = raised_by(post)
    assert isinstance(error, requests.ReadTimeout)
    assert receipts.of(error, handed=True).kind is AMBIGUOUS

"""Classification of a mail backend's exceptions, depending on the stage."""

import smtplib
import socket
import ssl
from collections.abc import Callable

import pytest
import requests
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailRequestsAPIError,
    AnymailSerializationError,
    AnymailUnsupportedFeature,
)
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ReadTimeoutError as Urllib3ReadTimeout

from resend_confirmation.deadline import DeadlineExceeded, JobEnded, NotStarted
from resend_confirmation.email_backend import Failure
from resend_confirmation.email_backend.classification import Stage, classify

from .demonstration import free_port

pytestmark = pytest.mark.database

NOT_ACCEPTED, REFUSED = Failure.NOT_ACCEPTED, Failure.REFUSED
UNSUPPORTED, AMBIGUOUS = Failure.UNSUPPORTED, Failure.AMBIGUOUS
CONFIGURATION = Failure.CONFIGURATION


def response(status):
    made = requests.Response()
    made.status_code = status
    made._content = b"{}"
    return made


def over_http(status):
    return AnymailRequestsAPIError("no", response=response(status))


class EndpointConnectionError(Exception):
    """Stands for an error of botocore, which need not be installed."""

    __module__ = "botocore.exceptions"


class ReadTimeoutError(EndpointConnectionError):
    """Stands for an error of botocore after the request was sent."""

    __module__ = "botocore.exceptions"


def over_botocore(cause):
    error = AnymailAPIError("no")
    error.__cause__ = cause
    return error


def ended():
    error = JobEnded()
    error.__cause__ = SystemExit()
    return error


#: The exception; its class after the hand-over, before it, and while the backend is opened; and
#: the code.
TABLE = [
    (smtplib.SMTPRecipientsRefused({"a@b": (550, b"no")}), REFUSED, REFUSED, REFUSED, "550"),
    (smtplib.SMTPRecipientsRefused({"a@b": (450, b"")}), *[NOT_ACCEPTED] * 3, "450"),
    (smtplib.SMTPRecipientsRefused({"a@b": (421, b"")}), *[NOT_ACCEPTED] * 3, "421"),
    (smtplib.SMTPSenderRefused(550, b"no", "a@b"), *[CONFIGURATION] * 3, "550"),
    (smtplib.SMTPSenderRefused(451, b"later", "a@b"), *[NOT_ACCEPTED] * 3, "451"),
    (smtplib.SMTPDataError(554, b"no"), REFUSED, REFUSED, REFUSED, "554"),
    (smtplib.SMTPDataError(452, b"full"), *[NOT_ACCEPTED] * 3, "452"),
    (smtplib.SMTPDataError(250, b"half a line"), *[AMBIGUOUS] * 3, "250"),
    (smtplib.SMTPAuthenticationError(535, b"no"), *[CONFIGURATION] * 3, "535"),
    (smtplib.SMTPAuthenticationError(454, b"later"), *[NOT_ACCEPTED] * 3, "454"),
    (smtplib.SMTPNotSupportedError("no STARTTLS"), *[CONFIGURATION] * 3, ""),
    (smtplib.SMTPConnectError(554, b"go away"), *[NOT_ACCEPTED] * 3, "554"),
    (smtplib.SMTPConnectError(421, b"busy"), *[NOT_ACCEPTED] * 3, "421"),
    (smtplib.SMTPHeloError(501, b"who?"), *[NOT_ACCEPTED] * 3, "501"),
    (smtplib.SMTPResponseException(500, b"too long"), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (smtplib.SMTPServerDisconnected("gone"), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (smtplib.SMTPException("no"), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (TimeoutError(), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (ConnectionRefusedError(), *[NOT_ACCEPTED] * 3, ""),
    (ConnectionResetError(), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (socket.gaierror(-2, "unknown host"), *[NOT_ACCEPTED] * 3, ""),
    (ssl.SSLEOFError(8, "gone"), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (ssl.SSLCertVerificationError(1, ""), AMBIGUOUS, CONFIGURATION, CONFIGURATION, ""),
    (ImproperlyConfigured("no"), AMBIGUOUS, CONFIGURATION, CONFIGURATION, ""),
    (ModuleNotFoundError("no"), AMBIGUOUS, CONFIGURATION, CONFIGURATION, ""),
    (DeadlineExceeded(), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (NotStarted(), *[NOT_ACCEPTED] * 3, ""),
    (ValueError("a header"), AMBIGUOUS, UNSUPPORTED, CONFIGURATION, ""),
    (UnicodeEncodeError("ascii", "\u00fc", 0, 1, "no"), AMBIGUOUS, UNSUPPORTED, CONFIGURATION, ""),
    (RuntimeError("no"), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (DatabaseError("no"), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (requests.ConnectTimeout(), *[NOT_ACCEPTED] * 3, ""),
    (requests.ReadTimeout(), AMBIGUOUS, AMBIGUOUS, AMBIGUOUS, ""),
    (AnymailRecipientsRefused(), REFUSED, REFUSED, REFUSED, ""),
    (AnymailInvalidAddress("no"), REFUSED, REFUSED, REFUSED, ""),
    (AnymailUnsupportedFeature("no"), *[CONFIGURATION] * 3, ""),
    (AnymailUnsupportedFeature("EAI in to"), *[UNSUPPORTED] * 3, ""),
    (AnymailUnsupportedFeature("EAI in from_email"), *[CONFIGURATION] * 3, ""),
    (AnymailConfigurationError("no"), *[CONFIGURATION] * 3, ""),
    (AnymailSerializationError("no"), *[UNSUPPORTED] * 3, ""),
    (AnymailAPIError("no"), AMBIGUOUS, NOT_ACCEPTED, NOT_ACCEPTED, ""),
    (AnymailError("no sender domain"), *[CONFIGURATION] * 3, ""),
    (over_botocore(EndpointConnectionError()), *[NOT_ACCEPTED] * 3, ""),
    (over_botocore(ReadTimeoutError()), *[AMBIGUOUS] * 3, ""),
    (over_botocore(Urllib3ReadTimeout(HTTPConnectionPool("x"), "/", "")), *[AMBIGUOUS] * 3, ""),
    (over_http(400), REFUSED, REFUSED, REFUSED, "400"),
    (over_http(200), *[AMBIGUOUS] * 3, "200"),
    *((over_http(status), *[CONFIGURATION] * 3, str(status)) for status in (401, 403, 404, 420)),
    *((over_http(status), *[NOT_ACCEPTED] * 3, str(status)) for status in (408, 429, 500, 503)),
]


@pytest.mark.parametrize(
    ("error", "handed", "begun", "opening", "code"),
    TABLE,
    ids=[f"{type(row[0]).__name__}-{row[4]}".rstrip("-") for row in TABLE],
)
def test_table(error, handed, begun, opening, code):
    """Each error has its class at each stage, and the stored result does not have its text."""
    failures = {Stage.HANDED_OVER: handed, Stage.BEGUN: begun, Stage.OPENING: opening}
    for stage, failure in failures.items():
        result = classify(error, stage)
        assert (result.failure, result.error_code) == (failure, code)
        assert result.error_class == type(error).__name__
        assert result.provider_id == ""


def test_an_error_that_would_end_the_process():
    """If a backend raises SystemExit, this counts as an error of the message."""
    for stage in Stage:
        assert classify(ended(), stage).error_class == "SystemExit"
    assert classify(ended(), Stage.HANDED_OVER).failure is AMBIGUOUS


def subclasses(parent):
    for child in parent.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_error_of_smtplib_is_in_the_table():
    """The table has every exception of smtplib."""
    known = {type(row[0]) for row in TABLE}
    all_ = {each for each in subclasses(smtplib.SMTPException) if each.__module__ == "smtplib"}
    assert all_ <= known


# Errors of actual connections


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
def test_refused_connection_is_not_ambiguous(work):
    """An error before there is a connection is not ambiguous."""
    assert classify(raised_by(work), Stage.HANDED_OVER).failure is NOT_ACCEPTED


def test_http_without_a_response():
    """A request without a response is ambiguous."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)

    def post():
        requests.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", data=b"x", timeout=0.2)

    with listener:
        # Nothing accepts the connection, so the kernel takes the data and there is no response.
        error = raised_by(post)
    assert isinstance(error, requests.ReadTimeout)
    assert classify(error, Stage.HANDED_OVER).failure is AMBIGUOUS

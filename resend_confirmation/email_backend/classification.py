"""Classification of a backend's exceptions: retry, give up, ambiguous or wrong settings."""

import enum
import smtplib
import socket
import ssl
from typing import NamedTuple

from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailSerializationError,
    AnymailUnsupportedFeature,
)
from django.core.exceptions import ImproperlyConfigured
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import (
    ConnectTimeout,
    InvalidProxyURL,
    InvalidURL,
    MissingSchema,
    ProxyError,
    RequestException,
)
from requests.exceptions import SSLError as RequestsSSLError
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import ReadTimeoutError as Urllib3ReadTimeout

from ..deadline import JobEnded, NotStarted


class Failure(enum.Enum):
    """The kinds of failure of a send."""

    NOT_ACCEPTED = "not accepted"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    AMBIGUOUS = "ambiguous"
    CONFIGURATION = "configuration"


class Stage(enum.Enum):
    """The progress of a message at the time of an exception."""

    OPENING = "no message yet, only a connection"
    BEGUN = "a message, and nothing of it handed over"
    HANDED_OVER = "handed over, as far as is known"
    WRITTEN = "handed over to what has a connection"


class SendResult(NamedTuple):
    """The result of a send: accepted, or a failure.

    Error messages are left out, since they quote addresses. ``error_text`` is the mail server's
    reply without them. ``early`` is True if the message was deferred before its body was sent.
    """

    failure: Failure | None = None
    provider_id: str = ""
    error_class: str = ""
    error_code: str = ""
    error_text: str = ""
    early: bool = False


def classify(error: BaseException, stage: Stage) -> SendResult:
    """Return the result that an exception means at a stage.

    After the hand-over only a refusal counts, since another exception may be about something else.
    """
    failure, code = _CLASSIFIERS[stage](error)
    return SendResult(failure, error_class=name_of(error), error_code=code)


def name_of(error: BaseException) -> str:
    """Return the name of the exception's class, for staff."""
    inner = error.__cause__ if isinstance(error, JobEnded) else None
    return type(inner or error).__name__


def _classify_opening(error: BaseException) -> tuple[Failure, str]:
    verdict = _by_smtp_error(error) or _by_anymail_error(error)
    if verdict is None and isinstance(error, ValueError | TypeError):
        # The error is about the settings, such as both TLS and SSL.
        return Failure.CONFIGURATION, ""
    return verdict or (_by_class(error), "")


def _classify_begun(error: BaseException) -> tuple[Failure, str]:
    return _by_smtp_error(error) or _by_anymail_error(error) or (_by_class(error), "")


def _classify_handed_over(error: BaseException) -> tuple[Failure, str]:
    return _by_smtp_error(error) or _by_anymail_error(error) or (_by_connection(error), "")


def _classify_written(error: BaseException) -> tuple[Failure, str]:
    """Classify an exception of a backend that has a connection.

    An exception about making a connection concerns another one, such as an archive's.
    """
    match error:
        case smtplib.SMTPRecipientsRefused() | smtplib.SMTPResponseException():
            if not isinstance(error, _CONNECTION_ERRORS):
                return _classify_handed_over(error)
        case AnymailError():
            return _classify_handed_over(error)
    return Failure.AMBIGUOUS, ""


_CONNECTION_ERRORS = (
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
)


def _by_connection(error: BaseException) -> Failure:
    """Classify as ambiguous, unless no connection was made at all."""
    match error:
        case RequestException():
            return _by_requests_error(error)
        case ConnectionRefusedError() | socket.gaierror() | NotStarted():
            return Failure.NOT_ACCEPTED
    return Failure.AMBIGUOUS


_CLASSIFIERS = {
    Stage.OPENING: _classify_opening,
    Stage.BEGUN: _classify_begun,
    Stage.HANDED_OVER: _classify_handed_over,
    Stage.WRITTEN: _classify_written,
}


def _by_smtp_error(error: BaseException) -> tuple[Failure, str] | None:
    """Classify by RFC 5321: 4xx may work later, 5xx is final for the recipient or the settings."""
    match error:
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return (Failure.CONFIGURATION if is_final(code) else Failure.NOT_ACCEPTED), str(code)
        case smtplib.SMTPNotSupportedError():
            return Failure.CONFIGURATION, ""
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            code = next(iter(recipients.values()), (0, b""))[0]
            return (Failure.REFUSED if is_final(code) else Failure.NOT_ACCEPTED), str(code)
        case smtplib.SMTPSenderRefused(smtp_code=code):
            # The sender is the same for every message, so the recipient is not the cause.
            return (Failure.CONFIGURATION if is_final(code) else Failure.NOT_ACCEPTED), str(code)
        case smtplib.SMTPDataError(smtp_code=code):
            return _by_body_reply(code), str(code)
        case smtplib.SMTPConnectError(smtp_code=code) | smtplib.SMTPHeloError(smtp_code=code):
            return Failure.NOT_ACCEPTED, str(code)
    return None


def _by_body_reply(code: int) -> Failure:
    """Classify the reply to the body; a malformed reply, such as half a line, is ambiguous."""
    if 400 <= code < 500:  # noqa: PLR2004 - RFC 5321, section 4.2.1
        return Failure.NOT_ACCEPTED
    return Failure.REFUSED if is_final(code) else Failure.AMBIGUOUS


def is_final(code: int) -> bool:
    """Return whether an SMTP reply refuses for good."""
    return 500 <= code < 600  # noqa: PLR2004 - RFC 5321, section 4.2.1


def _by_anymail_error(error: BaseException) -> tuple[Failure, str] | None:
    match error:
        case AnymailInvalidAddress() if "`from_email`" in str(error):
            return Failure.CONFIGURATION, ""
        case AnymailRecipientsRefused() | AnymailInvalidAddress():
            return Failure.REFUSED, ""
        case AnymailUnsupportedFeature() | AnymailConfigurationError():
            # Scaleway's error is about one address with a local part beyond ASCII (RFC 6531).
            is_of_the_address = "EAI in to" in str(error)
            return (Failure.UNSUPPORTED if is_of_the_address else Failure.CONFIGURATION), ""
        case AnymailSerializationError():
            return Failure.UNSUPPORTED, ""
        case AnymailAPIError(status_code=int(status)):
            return _by_http_status(status), str(status)
        case AnymailAPIError() if failure := _by_cause(error.__cause__):
            return failure, ""
        case AnymailError() if type(error) is AnymailError:
            # For example, the provider does not know the sender's domain.
            return Failure.CONFIGURATION, ""
    return None


#: Errors of botocore that leave a request unanswered. Its other errors are answers, or are raised
#: before the request is sent.
_UNANSWERED = {
    *("ConnectionClosedError", "HTTPClientError", "IncompleteReadError"),
    *("ReadTimeoutError", "ResponseStreamingError"),
}


def _by_cause(cause: BaseException | None) -> Failure | None:
    if isinstance(cause, Urllib3ReadTimeout):
        return Failure.AMBIGUOUS
    if type(cause).__module__.partition(".")[0] != "botocore":
        return None
    return Failure.AMBIGUOUS if type(cause).__name__ in _UNANSWERED else Failure.NOT_ACCEPTED


def _by_http_status(status: int) -> Failure:
    if status < 400:  # noqa: PLR2004 - RFC 9110
        # The provider answered, but anymail could not parse the answer.
        return Failure.AMBIGUOUS
    # SparkPost answers 420 if an account is past its sending limit.
    if status in {401, 402, 403, 404, 420}:
        return Failure.CONFIGURATION
    if status in {408, 409, 423, 425, 429} or status >= 500:  # noqa: PLR2004 - RFC 9110
        return Failure.NOT_ACCEPTED
    return Failure.REFUSED


def _by_class(error: BaseException) -> Failure:
    match error:
        case ssl.SSLCertVerificationError() | ImproperlyConfigured() | ImportError():
            return Failure.CONFIGURATION
        case RequestException():
            return _by_requests_error(error)
        case OSError():
            return Failure.NOT_ACCEPTED
        case ValueError() | TypeError():
            return Failure.UNSUPPORTED
    return Failure.NOT_ACCEPTED


def _by_requests_error(error: RequestException) -> Failure:
    """Classify an error of an HTTP request, which is ambiguous once there was a connection."""
    match error:
        case InvalidURL() | InvalidProxyURL() | MissingSchema():
            return Failure.CONFIGURATION
        case RequestsSSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Failure.CONFIGURATION
        case ConnectTimeout() | ProxyError() | RequestsSSLError():
            return Failure.NOT_ACCEPTED
        case RequestsConnectionError() if _never_connected(error):
            return Failure.NOT_ACCEPTED
    return Failure.AMBIGUOUS


def _never_connected(error: BaseException) -> bool:
    """Return whether urllib3 got no connection; anymail and requests both wrap its error."""
    wrapped = [*(error.__cause__ or error).args, *error.args]
    return any(isinstance(getattr(one, "reason", None), NewConnectionError) for one in wrapped)

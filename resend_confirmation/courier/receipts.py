"""Classification of a mail backend's exceptions: retry, give up, ambiguous or wrong settings."""

import enum
import smtplib
import socket
import ssl
from dataclasses import dataclass

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


class Kind(enum.Enum):
    """The result of a send."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    AMBIGUOUS = "ambiguous"
    CONFIGURATION = "configuration"


class Stage(enum.Enum):
    """The progress of a message at the time of an exception."""

    OPENING = "no message yet, only a connection"
    BEGUN = "a message, and nothing of it handed over"
    HANDED = "handed over, as far as is known"
    WRITTEN = "handed over to what has a connection"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of a send. Error messages are left out, since they quote addresses.

    ``early`` is True if the message was deferred before its body was sent.
    """

    kind: Kind
    provider_id: str = ""
    error_class: str = ""
    error_code: str = ""
    early: bool = False


def of(error: BaseException, stage: Stage) -> Receipt:
    """Return the result that an exception means at a stage.

    After the hand-over only a refusal counts, since another exception may be about something else.
    """
    kind, code = _OF[stage](error)
    return Receipt(kind, error_class=name_of(error), error_code=code)


def name_of(error: BaseException) -> str:
    """Return the name of the exception's class, for staff."""
    inner = error.__cause__ if isinstance(error, JobEnded) else None
    return type(inner or error).__name__


def _of_opening(error: BaseException) -> tuple[Kind, str]:
    verdict = _of_smtp(error) or _of_anymail(error)
    if verdict is None and isinstance(error, ValueError | TypeError):
        # The error is about the settings, such as both TLS and SSL.
        return Kind.CONFIGURATION, ""
    return verdict or (_of_rest(error), "")


def _of_begun(error: BaseException) -> tuple[Kind, str]:
    return _of_smtp(error) or _of_anymail(error) or (_of_rest(error), "")


def _of_handed(error: BaseException) -> tuple[Kind, str]:
    return _of_smtp(error) or _of_anymail(error) or (_of_doubtful(error), "")


def _of_written(error: BaseException) -> tuple[Kind, str]:
    """Classify an exception of a backend that has a connection.

    An exception about making a connection concerns another one, such as an archive's.
    """
    match error:
        case smtplib.SMTPRecipientsRefused() | smtplib.SMTPResponseException():
            if not isinstance(error, _OF_CONNECTIONS):
                return _of_handed(error)
        case AnymailError():
            return _of_handed(error)
    return Kind.AMBIGUOUS, ""


_OF_CONNECTIONS = (
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
)


def _of_doubtful(error: BaseException) -> Kind:
    """Classify as ambiguous, unless no connection was made at all."""
    match error:
        case RequestException():
            return _of_requests(error)
        case ConnectionRefusedError() | socket.gaierror() | NotStarted():
            return Kind.NOT_ACCEPTED
    return Kind.AMBIGUOUS


_OF = {
    Stage.OPENING: _of_opening,
    Stage.BEGUN: _of_begun,
    Stage.HANDED: _of_handed,
    Stage.WRITTEN: _of_written,
}


def _of_smtp(error: BaseException) -> tuple[Kind, str] | None:
    """Classify by RFC 5321: 4xx may work later, 5xx is final for the recipient or the settings."""
    match error:
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return (Kind.CONFIGURATION if is_final(code) else Kind.NOT_ACCEPTED), str(code)
        case smtplib.SMTPNotSupportedError():
            return Kind.CONFIGURATION, ""
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            code = next(iter(recipients.values()), (0, b""))[0]
            return (Kind.REFUSED if is_final(code) else Kind.NOT_ACCEPTED), str(code)
        case smtplib.SMTPSenderRefused(smtp_code=code):
            # The sender is the same for every message, so the recipient is not the cause.
            return (Kind.CONFIGURATION if is_final(code) else Kind.NOT_ACCEPTED), str(code)
        case smtplib.SMTPDataError(smtp_code=code):
            return _of_the_body(code), str(code)
        case smtplib.SMTPConnectError(smtp_code=code) | smtplib.SMTPHeloError(smtp_code=code):
            return Kind.NOT_ACCEPTED, str(code)
    return None


def _of_the_body(code: int) -> Kind:
    """Classify the reply to the body; a malformed reply, such as half a line, is ambiguous."""
    if 400 <= code < 500:  # noqa: PLR2004 - RFC 5321, section 4.2.1
        return Kind.NOT_ACCEPTED
    return Kind.REFUSED if is_final(code) else Kind.AMBIGUOUS


def is_final(code: int) -> bool:
    """Return whether an SMTP reply refuses for good."""
    return 500 <= code < 600  # noqa: PLR2004 - RFC 5321, section 4.2.1


def _of_anymail(error: BaseException) -> tuple[Kind, str] | None:
    match error:
        case AnymailInvalidAddress() if "`from_email`" in str(error):
            return Kind.CONFIGURATION, ""
        case AnymailRecipientsRefused() | AnymailInvalidAddress():
            return Kind.REFUSED, ""
        case AnymailUnsupportedFeature() | AnymailConfigurationError():
            # Scaleway's error is about one address with a local part beyond ASCII (RFC 6531).
            is_of_the_address = "EAI in to" in str(error)
            return (Kind.UNSUPPORTED if is_of_the_address else Kind.CONFIGURATION), ""
        case AnymailSerializationError():
            return Kind.UNSUPPORTED, ""
        case AnymailAPIError(status_code=int(status)):
            return _by_http_status(status), str(status)
        case AnymailAPIError() if kind := _by_cause(error.__cause__):
            return kind, ""
        case AnymailError() if type(error) is AnymailError:
            # For example, the provider does not know the sender's domain.
            return Kind.CONFIGURATION, ""
    return None


#: Errors of botocore that leave a request unanswered. Its other errors are answers, or are raised
#: before the request is sent.
_BOTOCORE_DOUBTS = {
    *("ConnectionClosedError", "HTTPClientError", "IncompleteReadError"),
    *("ReadTimeoutError", "ResponseStreamingError"),
}


def _by_cause(cause: BaseException | None) -> Kind | None:
    if isinstance(cause, Urllib3ReadTimeout):
        return Kind.AMBIGUOUS
    if type(cause).__module__.partition(".")[0] != "botocore":
        return None
    return Kind.AMBIGUOUS if type(cause).__name__ in _BOTOCORE_DOUBTS else Kind.NOT_ACCEPTED


def _by_http_status(status: int) -> Kind:
    if status < 400:  # noqa: PLR2004 - RFC 9110
        # The provider answered, but anymail could not parse the answer.
        return Kind.AMBIGUOUS
    # SparkPost answers 420 if an account is past its sending limit.
    if status in {401, 402, 403, 404, 420}:
        return Kind.CONFIGURATION
    if status in {408, 409, 423, 425, 429} or status >= 500:  # noqa: PLR2004 - RFC 9110
        return Kind.NOT_ACCEPTED
    return Kind.REFUSED


def _of_rest(error: BaseException) -> Kind:
    match error:
        case ssl.SSLCertVerificationError() | ImproperlyConfigured() | ImportError():
            return Kind.CONFIGURATION
        case RequestException():
            return _of_requests(error)
        case OSError():
            return Kind.NOT_ACCEPTED
        case ValueError() | TypeError():
            return Kind.UNSUPPORTED
    return Kind.NOT_ACCEPTED


def _of_requests(error: RequestException) -> Kind:
    """Classify an error of an HTTP request, which is ambiguous once there was a connection."""
    match error:
        case InvalidURL() | InvalidProxyURL() | MissingSchema():
            return Kind.CONFIGURATION
        case RequestsSSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Kind.CONFIGURATION
        case ConnectTimeout() | ProxyError() | RequestsSSLError():
            return Kind.NOT_ACCEPTED
        case RequestsConnectionError() if _never_connected(error):
            return Kind.NOT_ACCEPTED
    return Kind.AMBIGUOUS


def _never_connected(error: BaseException) -> bool:
    """Return whether urllib3 got no connection; anymail and requests both wrap its error."""
    wrapped = [*(error.__cause__ or error).args, *error.args]
    return any(isinstance(getattr(one, "reason", None), NewConnectionError) for one in wrapped)

"""The meaning of a mail backend's exception: try again, give up, in doubt, or wrong settings."""

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

from .deadline import JobEnded, NotStarted


class Kind(enum.Enum):
    """How sending ended."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    AMBIGUOUS = "ambiguous"
    CONFIGURATION = "configuration"


class Stage(enum.Enum):
    """How far a message had come when the exception was raised."""

    OPENING = "no message yet, only a connection"
    BEGUN = "a message, and nothing of it handed over"
    HANDED = "handed over, as far as is known"
    WRITTEN = "handed over to what has a connection"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the backend said; the texts of errors are left out, since they quote addresses.

    ``early``: it was put off before the server let the body come.
    """

    kind: Kind
    provider_id: str = ""
    error_class: str = ""
    error_code: str = ""
    early: bool = False


def of(error: BaseException, stage: Stage) -> Receipt:
    """Return what an exception means at a stage.

    From the hand-over on only a refusal counts: another exception may be about something else.
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
        # About the settings, such as TLS and SSL both.
        return Kind.CONFIGURATION, ""
    return verdict or (_of_rest(error), "")


def _of_begun(error: BaseException) -> tuple[Kind, str]:
    return _of_smtp(error) or _of_anymail(error) or (_of_rest(error), "")


def _of_handed(error: BaseException) -> tuple[Kind, str]:
    return _of_smtp(error) or _of_anymail(error) or (_of_doubtful(error), "")


def _of_written(error: BaseException) -> tuple[Kind, str]:
    """What is about making a connection is about another one, such as an archive's."""
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
    """There is no doubt only where no connection was made at all."""
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
    """By RFC 5321: 4xx may work later, 5xx never will for this recipient or these settings."""
    match error:
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return (Kind.CONFIGURATION if is_final(code) else Kind.NOT_ACCEPTED), str(code)
        case smtplib.SMTPNotSupportedError():
            return Kind.CONFIGURATION, ""
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            code = next(iter(recipients.values()), (0, b""))[0]
            return (Kind.REFUSED if is_final(code) else Kind.NOT_ACCEPTED), str(code)
        case smtplib.SMTPSenderRefused(smtp_code=code):
            # The sender is the same for every message: no recipient is to blame.
            return (Kind.CONFIGURATION if is_final(code) else Kind.NOT_ACCEPTED), str(code)
        case smtplib.SMTPDataError(smtp_code=code):
            return _of_the_body(code), str(code)
        case smtplib.SMTPConnectError(smtp_code=code) | smtplib.SMTPHeloError(smtp_code=code):
            return Kind.NOT_ACCEPTED, str(code)
    return None


def _of_the_body(code: int) -> Kind:
    """By the answer to the body; one that is no refusal, such as half a line, leaves a doubt."""
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
            # Scaleway's is about one address, whose local part goes beyond ASCII (RFC 6531).
            is_of_the_address = "EAI in to" in str(error)
            return (Kind.UNSUPPORTED if is_of_the_address else Kind.CONFIGURATION), ""
        case AnymailSerializationError():
            return Kind.UNSUPPORTED, ""
        case AnymailAPIError(status_code=int(status)):
            return _by_http_status(status), str(status)
        case AnymailAPIError() if kind := _by_cause(error.__cause__):
            return kind, ""
        case AnymailError() if type(error) is AnymailError:
            # Such as a domain of the sender's that is not known.
            return Kind.CONFIGURATION, ""
    return None


#: Errors of Amazon's library that leave a request unanswered; the others are answers or come
#: before there is a request.
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
        # It answered, in words that anymail cannot read.
        return Kind.AMBIGUOUS
    # 420 is SparkPost's for an account past its sending limit.
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
    """Over HTTP nothing was sent before there was a connection; after, only an answer tells."""
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
    """Whether urllib3 got no connection at all; anymail and requests both wrap what it says."""
    wrapped = [*(error.__cause__ or error).args, *error.args]
    return any(isinstance(getattr(one, "reason", None), NewConnectionError) for one in wrapped)

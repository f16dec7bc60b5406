"""What a mail backend's exception means: try again, give up, in doubt, or look at the settings."""

import enum
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

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

from .deadline import DeadlineExceeded


class Kind(enum.Enum):
    """How sending ended."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    AMBIGUOUS = "ambiguous"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the backend said; the texts of errors are left out, since they quote addresses."""

    kind: Kind
    provider_id: str = ""
    error_class: str = ""
    error_code: str = ""


def of(error: BaseException, *, handed: bool) -> Receipt:
    """Which kind of failure an exception is; ``handed`` says whether a message was under way."""
    kind, code = _of_smtp(error) or _of_anymail(error) or (_of_rest(error, handed), "")
    return Receipt(kind, error_class=type(error).__name__, error_code=code)


def _of_smtp(error: BaseException) -> tuple[Kind, str] | None:
    """By RFC 5321: 4xx may work later, 5xx never will for this recipient or these settings."""
    match error:
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return (Kind.NOT_ACCEPTED if _is_transient(code) else Kind.CONFIGURATION), str(code)
        case smtplib.SMTPNotSupportedError():
            return Kind.CONFIGURATION, ""
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            code = next(iter(recipients.values()), (0, b""))[0]
            return (Kind.NOT_ACCEPTED if _is_transient(code) else Kind.REFUSED), str(code)
        case smtplib.SMTPSenderRefused(smtp_code=code):
            # The sender is the same for every message: no recipient is to blame.
            return (Kind.NOT_ACCEPTED if _is_transient(code) else Kind.CONFIGURATION), str(code)
        case smtplib.SMTPDataError(smtp_code=code):
            return _of_the_body(code), str(code)
        case smtplib.SMTPResponseException(smtp_code=code):
            return Kind.NOT_ACCEPTED, str(code)
    return None


def _of_the_body(code: int) -> Kind:
    """By the answer to the body; one that is no refusal, such as half a line, leaves a doubt."""
    if 400 <= code < 500:  # noqa: PLR2004 - RFC 5321, section 4.2.1
        return Kind.NOT_ACCEPTED
    return Kind.AMBIGUOUS if _is_transient(code) else Kind.REFUSED


def _is_transient(code: int) -> bool:
    return not 500 <= code < 600  # noqa: PLR2004 - RFC 5321, section 4.2.1


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
        case AnymailAPIError(__cause__=Urllib3ReadTimeout()):
            return Kind.AMBIGUOUS, ""
        case AnymailError() if type(error) is AnymailError:
            # Such as a domain of the sender's that is not known.
            return Kind.CONFIGURATION, ""
    return None


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


def _of_rest(error: BaseException, handed: bool) -> Kind:
    match error:
        case ssl.SSLCertVerificationError() | ImproperlyConfigured() | ImportError():
            return Kind.CONFIGURATION
        case DeadlineExceeded():
            return _by_depth(error.__cause__) if handed else Kind.NOT_ACCEPTED
        case RequestException():
            return _of_requests(error)
        case OSError():
            return Kind.AMBIGUOUS if handed and _body_was_sent(error) else Kind.NOT_ACCEPTED
        case ValueError() | TypeError():
            # Of the message, or, before there is one, of the settings: TLS and SSL both, say.
            return Kind.UNSUPPORTED if handed else Kind.CONFIGURATION
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


def _by_depth(cause: BaseException | None) -> Kind:
    """How far a send had come when it was cut off: before the body there is no doubt."""
    match cause:
        case smtplib.SMTPDataError():
            return Kind.AMBIGUOUS
        case smtplib.SMTPException() if not _body_was_sent(cause):
            return Kind.NOT_ACCEPTED
    return Kind.AMBIGUOUS


def _body_was_sent(error: BaseException) -> bool:
    """Whether an SMTP session broke once the server had let the body come.

    smtplib raises the same exception at every step. ``SMTP.data`` has the quoted body in ``q``
    from the moment that the server answered 354.
    """
    return any(frame.f_code.co_name == "data" and "q" in frame.f_locals for frame in _frames(error))


def _frames(error: BaseException) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next

"""The answers that the vendors document, quoted from their pages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DocumentedAnswer:
    """One documented answer; ``statuses`` may be several, or ``default`` for all others.

    With a ``code`` it is the answer for errors with that code alone.
    """

    statuses: tuple[str, ...]
    text: str = ""
    body: str = ""
    code: str = ""

    @property
    def label(self) -> str:
        """The statuses as a text."""
        return ", ".join(self.statuses).replace("default", "Other statuses:")


_XSOLLA_ERROR = '{"error": {"code": "003-061", "description": "Object not found."}}'
_STRAPI_ERROR = '{"code": 0, "message": "string"}'

ANSWERS: dict[str, list[DocumentedAnswer]] = {
    "xsolla-oauth2": [
        DocumentedAnswer(("204",)),
        DocumentedAnswer(("400", "404", "409", "422", "429"), body=_XSOLLA_ERROR),
    ],
    "xsolla-jwt": [
        DocumentedAnswer(("204",)),
        DocumentedAnswer(("400", "404", "422", "429"), body=_XSOLLA_ERROR),
    ],
    "quiva": [
        DocumentedAnswer(
            ("200",),
            "Confirmation email sent (always returns success)",
            '{"data": {"message": "Please check your inbox. If a root account is associated with '
            "this email and remains unconfirmed, a reconfirmation message should have been "
            'sent."}}',
        ),
    ],
    # The page names no status.
    "backendless": [
        DocumentedAnswer(
            ("200",),
            "None. If the API request completes successfully, it means an email confirmation "
            "message has been sent to the user. Otherwise, an error will be returned.",
        ),
        DocumentedAnswer(
            ("default",),
            "User has already confirmed the email address. Email confirmation will not be sent.",
            '{"message":error-message, "code":3102}',
            "3102",
        ),
        DocumentedAnswer(
            ("default",),
            'Unable to send email confirmation. The "Require Email Confirmation" option must be '
            "enabled in Backendless Console (see the Users > Registration screen)",
            '{"message":error-message, "code":3103}',
            "3103",
        ),
        DocumentedAnswer(
            ("default",),
            "Unable to send email confirmation - user account with the email cannot be found.",
            '{"message":error-message, "code":3104}',
            "3104",
        ),
    ],
    "strapi": [
        DocumentedAnswer(("200",), "response", '{"foo": "string"}'),
        DocumentedAnswer(("403",), "Forbidden", _STRAPI_ERROR),
        DocumentedAnswer(("404",), "Not found", _STRAPI_ERROR),
        DocumentedAnswer(("default",), "unexpected error", _STRAPI_ERROR),
    ],
    # The pages describe the call in prose.
    "strapi-v4": [],
}

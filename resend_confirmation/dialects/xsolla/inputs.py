"""Serializers for the inputs and the error envelope of Xsolla Login."""

import re
from typing import Any

from rest_framework import serializers

from ..base import IdentityField, LanguageField, StrictCharField

#: U+FFFD, which Django puts in place of invalid UTF-8 in a query.
REPLACEMENT = "\ufffd"


class XsollaClientField(serializers.IntegerField):
    """``client_id``: a whole number in digits. DRF's field also accepts ``5_7`` and ``57.0``."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number; raise ValidationError for any other spelling."""
        if not re.fullmatch(r"-?[0-9]+", data):
            self.fail("invalid")
        value: int = super().to_internal_value(data)
        return value


class XsollaStateField(StrictCharField):
    """``state``: 9 to 512 printable characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=9, max_length=512, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the state; raise ValidationError if it could not be handed back unchanged."""
        state = super().to_internal_value(data)
        if not state.isprintable() or REPLACEMENT in state:
            raise serializers.ValidationError("Only printable characters are allowed.")
        return state


class XsollaPayloadField(serializers.CharField):
    """``payload``: any text, including line breaks, because it is only handed back in JSON.

    NUL and invalid UTF-8 are refused, because they could not be handed back unchanged.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, max_length=2000, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the text; raise ValidationError if it could not be handed back unchanged."""
        payload: str = super().to_internal_value(data)
        if REPLACEMENT in payload:
            raise serializers.ValidationError("Not valid UTF-8.")
        return payload


class XsollaOAuth2Query(serializers.Serializer[Any]):
    """The parameters in the query; others are ignored."""

    client_id = XsollaClientField(
        source="client",
        help_text="Your application ID. Get it after creating an OAuth 2.0 client.",
    )
    redirect_uri = serializers.CharField(
        source="redirect",
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="URL to redirect the user to after account confirmation, successful "
        "authentication, or password reset confirmation. The parameter is required if you have "
        "more than one redirect URI in your project settings.",
    )
    state = XsollaStateField(
        source="client_state",
        required=False,
        help_text="Value used for additional user verification. Often used to mitigate CSRF "
        "Attacks. The value will be returned in the response. Must be longer than 8 symbols.",
    )
    locale = LanguageField(
        source="language", required=False, help_text="Language of the message, such as de_DE."
    )


class XsollaJWTQuery(serializers.Serializer[Any]):
    """The parameters in the query; others are ignored."""

    projectId = StrictCharField(  # noqa: N815 - the vendor's word
        source="client",
        trim_whitespace=False,
        help_text="Login project ID from Publisher Account.",
    )
    login_url = serializers.CharField(
        source="redirect",
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="URL to redirect the user to after account confirmation, successful "
        "authentication, two-factor authentication configuration, or password reset "
        "confirmation. Must be identical to the Callback URL specified in the URL block of "
        "Publisher Account. Required if there are several Callback URLs.",
    )
    payload = XsollaPayloadField(
        required=False,
        help_text="Your custom data. The value of the parameter will be returned in the payload "
        "claim of the user JWT. Recommended maximum length less than 500 characters.",
    )
    locale = LanguageField(
        source="language", required=False, help_text="Language of the message, such as de_DE."
    )


class XsollaResendBody(serializers.Serializer[Any]):
    """The request."""

    username = IdentityField(
        source="identity",
        help_text="Username or user email address.",
        style={"example": "john-email@email.com"},
    )


class XsollaErrorDetail(serializers.Serializer[Any]):
    """What ``error`` holds."""

    code = serializers.CharField(help_text="Error code.", style={"example": "003-061"})
    description = serializers.CharField(
        help_text="Error description.", style={"example": "Object not found."}
    )
    details = serializers.DictField(required=False, help_text="Additional information.")


class XsollaError(serializers.Serializer[Any]):
    """The envelope of errors."""

    error = XsollaErrorDetail()

"""Serializer fields that take what vendors' clients send, and nothing that only looks like it."""

import re
from typing import Any

from django.utils.translation import get_supported_language_variant
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ... import addresses, tokens

#: A language tag (RFC 5646) or a locale's name. One way alone to read any text: no part holds a
#: separator, or a long run of them would be tried in every way there is.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


class StrictCharField(serializers.CharField):
    """A string and nothing else: DRF's own also takes numbers."""

    def to_internal_value(self, data: Any) -> str:
        """The string; a ValidationError for other types and for control characters."""
        if not isinstance(data, str):
            self.fail("invalid")
        if not addresses.is_clean(data):
            raise serializers.ValidationError("Unusable characters.", code="unusable")
        value: str = super().to_internal_value(data)
        return value


class IdentityField(StrictCharField):
    """An address, a user name or a number as a string, 1 to 255 characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=addresses.MAX_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The identity without the blanks around it."""
        return super().to_internal_value(_stripped(data))


class TokenField(serializers.CharField):
    """The token of a link, or a text that it can be read from; the engine reads it.

    What mail programs do to a link is not refused here, whatever its length and characters.
    """

    def get_value(self, dictionary: Any) -> Any:
        """Take the value under its name, or under what a program made of the name."""
        value = super().get_value(dictionary)
        if value is serializers.empty:
            spelt = ((k, v) for k, v in dictionary.items() if self.field_name in k)
            pairs = (f"{name}={text}" for name, text in spelt)
            value = next(filter(tokens.NAME.search, pairs), value)
        return value

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data

    def run_validators(self, value: Any) -> None:
        """Let every string through, line ends and NUL included."""


@extend_schema_field({"type": "string", "format": "email"})
class AddressField(StrictCharField):
    """One e-mail address, non-ASCII ones included, which Django's own field refuses."""

    def to_internal_value(self, data: Any) -> str:
        """The address as typed; a ValidationError when it is not exactly one."""
        address = super().to_internal_value(_stripped(data))
        if addresses.Address.parse(address) is None:
            raise serializers.ValidationError("Enter a valid email address.", code="address")
        return address


class LanguageField(serializers.CharField):
    """A locale such as ``de_DE`` or ``de-DE``; one that the site does not have is ignored."""

    def run_validation(self, data: Any = serializers.empty) -> str:
        """The language code of the site that fits best, or an empty string."""
        if not isinstance(data, str) or not _LANGUAGE.fullmatch(data):
            return ""
        try:
            return get_supported_language_variant(data.replace("_", "-").lower())
        except LookupError:
            return ""


def _stripped(data: Any) -> Any:
    """Take off what keyboards put around an address; not every control character is allowed."""
    return data.strip(addresses.BLANKS) if isinstance(data, str) else data

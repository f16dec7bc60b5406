"""Serializer fields for the inputs of vendors' clients."""

import re
from typing import Any

from django.utils.translation import get_supported_language_variant
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ... import addresses, tokens
from ...addresses import Address
from ...redaction import Secret

#: A language tag (RFC 5646) or a locale's name. The pattern is unambiguous on purpose: a part never
#: contains a separator, so matching cannot backtrack exponentially.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


class StrictCharField(serializers.CharField):
    """A field for strings only; DRF's ``CharField`` also accepts numbers."""

    def to_internal_value(self, data: Any) -> str:
        """Return the string; raise ValidationError for other types and for unusable characters."""
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
        """Return the identity without surrounding blanks."""
        return super().to_internal_value(_stripped(data))


class TokenField(serializers.CharField):
    """The token of a link, or a text that contains it; the engine extracts the token.

    Mail programs alter links, so strings of any length and with any characters are accepted.
    """

    def get_value(self, dictionary: Any) -> Any:
        """Return the value under the field's name, else the ``name=value`` with an altered name."""
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
        """Accept every string, even one with line ends or NUL."""


class TypedAddress(Secret):
    """An address as typed, with its parsed form, so that it is parsed once."""

    parsed: Address | None = None


@extend_schema_field({"type": "string", "format": "email"})
class AddressField(StrictCharField):
    """One e-mail address; unlike Django's field, it accepts non-ASCII addresses."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address as typed; raise ValidationError if it is not exactly one address."""
        typed = TypedAddress(super().to_internal_value(_stripped(data)))
        typed.parsed = Address.parse(typed)
        if typed.parsed is None:
            raise serializers.ValidationError("Enter a valid email address.", code="address")
        return typed


class LanguageField(serializers.CharField):
    """A locale such as ``de_DE`` or ``de-DE``; a language that the site lacks is ignored."""

    def run_validation(self, data: Any = serializers.empty) -> str:
        """Return the site's language code that fits best, or an empty string."""
        if not isinstance(data, str) or not _LANGUAGE.fullmatch(data):
            return ""
        try:
            return get_supported_language_variant(data.replace("_", "-").lower())
        except LookupError:
            return ""


def _stripped(data: Any) -> Any:
    """Strip the blanks and line ends that keyboards add; keep all other control characters."""
    return data.strip(addresses.BLANKS) if isinstance(data, str) else data

"""Xsolla Login: the JWT call, and the user JWT that its redirect carries."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from rest_framework import serializers

from ...clients import Client
from ...engine import Opened
from ...outcomes import Refusal
from ..base import Answer, LanguageField, Operation, StrictCharField
from .resend import DOCUMENTED, EXAMPLE, REPLACEMENT, XsollaResend


class XsollaPayloadField(serializers.CharField):
    """``payload``: any text, including line breaks, because it is only handed back in JSON.

    NUL and invalid UTF-8 are refused, because they could not be handed back unchanged.
    """

    def to_internal_value(self, data: Any) -> str:
        """Return the text; raise ValidationError if it could not be handed back unchanged."""
        payload: str = super().to_internal_value(data)
        if REPLACEMENT in payload:
            raise serializers.ValidationError("Not valid UTF-8.")
        return payload


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
        allow_blank=True,
        max_length=2000,
        trim_whitespace=False,
        help_text="Your custom data. The value of the parameter will be returned in the payload "
        "claim of the user JWT. Recommended maximum length less than 500 characters.",
    )
    locale = LanguageField(
        source="language", required=False, help_text="Language of the message, such as de_DE."
    )


class XsollaJWTResend(XsollaResend):
    """The resend view of the JWT call."""

    dialect = "xsolla-jwt"
    query_class = XsollaJWTQuery
    answers = XsollaResend.answers | {
        Refusal.UNKNOWN_CLIENT: Answer(404, "003-061", "Object not found."),
    }
    operation = Operation(
        id="jwt-resend-account-confirmation-email",
        summary="[JWT] Resend account confirmation email",
        description="Resends an account confirmation email to a user. To complete account "
        "confirmation, the user should follow the link in the email.",
        documented=(204, 400, 404, 422, 429),
        descriptions=DOCUMENTED,
        examples=(EXAMPLE,),
    )

    @classmethod
    def granted(cls, opened: Opened, client: Client, url: str) -> Mapping[str, str]:
        return {"token": user_token(opened, client)}

    @classmethod
    def check(cls, client: Client) -> list[checks.CheckMessage]:
        """Warn also if the client has no ``signing``: users then stay on our page."""
        found = super().check(client)
        if client.signing:
            return found
        text = f"{cls.dialect}: {client.name!r} has no 'signing', so no user JWT can be made"
        hint = "Give the client the secret (HS256) or private key that its JWTs are signed with."
        return [*found, checks.Warning(text, hint=hint, id="resend_confirmation.W002")]


def user_token(opened: Opened, client: Client) -> str:
    """Return the vendor's user JWT (RFC 7519) for a confirmed account.

    https://developers.xsolla.com/doc/login/features/user-jwt/
    """
    # Its import takes long, and most sites sign nothing.
    import jwt  # noqa: PLC0415

    if client.signing is None:
        raise ImproperlyConfigured(f"The client {client.name!r} has no 'signing'")
    account, delivery = opened.account, opened.delivery
    assert account is not None and delivery is not None  # noqa: PT018
    signing = client.signing
    issuer = signing.issuer or "https://login.xsolla.com"
    # A number, because PyJWT would read a datetime without a time zone as UTC.
    now = int(timezone.now().timestamp())
    claims: dict[str, Any] = {
        "exp": now + int(signing.lifetime.total_seconds()),
        "iat": now,
        "iss": issuer,
        "sub": _subject(account.user.pk, issuer),
        "groups": [{"id": 1, "name": "default", "is_default": True}],
        "xsolla_login_project_id": client.ids.get("xsolla-jwt", ""),
        "type": "xsolla_login",
        "username": account.username,
        "email": account.address,
    }
    if delivery.payload:
        claims["payload"] = delivery.payload
    headers = {"kid": signing.key_id} if signing.key_id else None
    return jwt.encode(claims, signing.key, algorithm=signing.algorithm, headers=headers)


def _subject(pk: Any, issuer: str) -> str:
    """Return a permanent UUID for the account.

    It is the primary key if that is a UUID, otherwise a UUID derived from the issuer and the key.
    """
    return str(
        pk if isinstance(pk, uuid.UUID) else uuid.uuid5(uuid.NAMESPACE_URL, f"{issuer}#{pk}")
    )

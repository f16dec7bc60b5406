"""The user JWT that Xsolla's clients expect as a parameter of the redirect."""

import uuid
from typing import Any

import jwt
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from ...clients import Client
from ...engine import Opened


def user_token(opened: Opened, client: Client) -> str:
    """Return the vendor's user JWT (RFC 7519) for a confirmed account.

    https://developers.xsolla.com/doc/login/features/user-jwt/
    """
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

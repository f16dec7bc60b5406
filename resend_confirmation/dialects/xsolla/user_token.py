"""The user JWT that Xsolla's clients expect on the address where a browser lands."""

import uuid
from typing import Any

import jwt
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from ...clients import Client
from ...engine import Opened


def user_token(opened: Opened, client: Client) -> str:
    """The vendor's user JWT (RFC 7519) for a confirmed account.

    https://developers.xsolla.com/doc/login/features/user-jwt/
    """
    if client.signing is None:
        raise ImproperlyConfigured(f"The client {client.name!r} has no 'signing'")
    account, delivery = opened.account, opened.delivery
    assert account is not None and delivery is not None  # noqa: PT018
    signing = client.signing
    issuer = signing.issuer or "https://login.xsolla.com"
    # As a number: what is made of a datetime takes one without a time zone for UTC.
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
    """The account's id for good, as a UUID: its own, or one derived from its number."""
    return str(
        pk if isinstance(pk, uuid.UUID) else uuid.uuid5(uuid.NAMESPACE_URL, f"{issuer}#{pk}")
    )

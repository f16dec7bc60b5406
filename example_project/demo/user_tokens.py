"""User JWTs as the client's server reads them: decoded, and verified with the client's key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from resend_confirmation.clients import Client, Signing

#: The issuer in the vendor's tokens.
ISSUER = "https://login.xsolla.com"
_TIMES = ("iat", "exp", "nbf")


@dataclass(frozen=True, slots=True)
class UserToken:
    """A decoded token; ``problem`` is empty if it is valid."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    problem: str


def read(token: str, client: Client) -> UserToken:
    """Decode a token; its claims are shown, but not trusted, if there is a problem."""
    if client.signing is None:
        return _unverified(token, "The client has no key.")
    try:
        return _made(_verified(token, client.signing), "")
    except jwt.InvalidTokenError as error:
        return _unverified(token, f"{error}.")


def _verified(token: str, signing: Signing) -> dict[str, Any]:
    issuer = signing.issuer or ISSUER
    return jwt.decode_complete(token, signing.key, algorithms=[signing.algorithm], issuer=issuer)


def _unverified(token: str, problem: str) -> UserToken:
    try:
        return _made(jwt.decode_complete(token, options={"verify_signature": False}), problem)
    except jwt.InvalidTokenError:
        return UserToken({}, {}, problem)


def _made(decoded: Mapping[str, Any], problem: str) -> UserToken:
    claims = {name: _readable(name, value) for name, value in decoded["payload"].items()}
    return UserToken(decoded["header"], claims, problem)


def _readable(name: str, value: Any) -> str:
    if name in _TIMES and isinstance(value, int | float):
        return f"{value} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

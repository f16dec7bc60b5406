"""What can be wrong with how a client's user tokens are signed: algorithm, kind of key, length."""

import warnings
from collections.abc import Iterator
from typing import Any

import jwt
from django.core import checks
from django.core.checks import CheckMessage, Error

from ..clients import Client, Signing
from .binding import ID

#: What user tokens may be signed with (RFC 7518, section 3.1); "none" signs nothing.
ALGORITHMS = ("HS256", "RS256")
#: Bytes of an HMAC key (section 3.2) and bits of an RSA key (section 3.3), at least.
HMAC_BYTES = 32
RSA_BITS = 2048


def problems_of(name: str, signing: Signing) -> Iterator[CheckMessage]:
    """What keeps the client of that name from signing at all."""
    if signing.algorithm not in ALGORITHMS:
        yield Error(
            f"CLIENTS: {name!r} signs with {signing.algorithm!r}, which is not allowed",
            hint=f"Take one of {', '.join(ALGORITHMS)}.",
            id=f"{ID}.E013",
        )
        return
    try:
        _tried(signing)
    except Exception:
        # Its text may quote the key.
        yield Error(
            f"CLIENTS: {name!r} cannot sign with {signing.algorithm} and its key",
            hint="HS256 takes a secret; RS256 takes a private key in PEM, and the extra [rsa].",
            id=f"{ID}.E014",
        )


def _tried(signing: Signing) -> Any:
    """Return the key after signing a token and verifying it.

    Reading the key is not enough: some versions of PyJWT read keys of another algorithm.
    """
    key = jwt.get_algorithm_by_name(signing.algorithm).prepare_key(signing.key)
    public = key if isinstance(key, bytes) else key.public_key()
    with warnings.catch_warnings():
        # Too short a key is the subject of W010.
        warnings.simplefilter("ignore")
        token = jwt.encode({}, signing.key, algorithm=signing.algorithm)
        jwt.decode(token, public, algorithms=[signing.algorithm])
    return key


def weak_key_of(client: Client) -> Iterator[CheckMessage]:
    """Whether the key that a client signs with could be found by trying."""
    signing = client.signing
    if signing is None or signing.algorithm not in ALGORITHMS:
        return
    try:
        key = _tried(signing)
    except Exception:
        return  # E014 says so.
    if isinstance(key, bytes):
        wanted = f"{HMAC_BYTES} bytes of randomness" if len(key) < HMAC_BYTES else ""
    else:
        wanted = f"an RSA key of {RSA_BITS} bits" if key.key_size < RSA_BITS else ""
    if wanted:
        text = f"CLIENTS: the key that {client.name!r} signs with is too short"
        hint = f"{signing.algorithm} takes at least {wanted} (RFC 7518, section 3)."
        yield checks.Warning(text, hint=hint, id=f"{ID}.W010")

"""Parsers of the vendor's SDKs, each ported from its source."""

import json
import re
from contextlib import suppress
from typing import Any

SENT = "sent"

#: ``ErrorTypeParser.cs`` of store-unity-sdk 3.1.1, the table for all calls.
UNITY_TYPES = {
    "0": "InvalidProjectSettings",
    "003-061": "InvalidProjectSettings",
    "010-011": "MultipleLoginUrlsException",
    "010-012": "SubmittedLoginUrlNotFoundException",
    "405": "MethodIsNotAllowed",
    "403": "InvalidToken",
    "010-017": "InvalidToken",
    "010-023": "InvalidToken",
    "003-001": "InvalidLoginOrPassword",
}


def _object(body: bytes) -> dict[str, Any] | None:
    with suppress(ValueError):
        read = json.loads(body)
        return read if isinstance(read, dict) else None
    return None


def unity(status: int, body: bytes) -> Any:
    """Read as Unity 3.1.1, ``WebRequestHelper``: a body with the three words is an error."""
    text = body.decode()
    if all(word in text for word in ("error", "code", "description")):
        error = (_object(body) or {}).get("error")
        if not isinstance(error, dict):
            return "InvalidData", "", ""
        code = str(error["code"])
        return UNITY_TYPES.get(code, "UnknownError"), code, error["description"]
    return SENT if status < 400 else ("UnknownError", "", "")


def old_unity(status: int, body: bytes) -> Any:
    """Read as Unity 0.7.1, which ignores the status; a body that is not an object is success."""
    error = (_object(body) or {}).get("error")
    if not error:
        return SENT
    code = str(error["code"])
    return UNITY_TYPES.get(code, "UnknownError"), code, error["description"]


def unreal(status: int, body: bytes) -> Any:
    """Read as Unreal 0.7 to 4.2.3, ``XsollaUtilsHttpRequestHelper.cpp``."""
    if 200 <= status <= 206:
        return SENT
    read = _object(body)
    if read is None:
        return "", "Failed to deserialize response"
    error = read.get("error")
    if not isinstance(error, dict):
        return "", "Unknown error"
    return error["code"], error["description"]


def android(status: int, body: bytes) -> Any:
    """Read as Android 6.0.14, ``ErrorResponse.kt``; a 4xx needs a description."""
    if 200 <= status < 300:
        return SENT
    if not 400 <= status < 500:
        return "an exception without a text"
    description = json.loads(body)["error"]["description"]
    assert isinstance(description, str)
    return description


def old_android(status: int, body: bytes) -> Any:
    """Read as Android 1.1.6."""
    if 200 <= status < 300:
        return SENT
    error = (_object(body) or {}).get("error") or {}
    return error.get("description", "Unknown Error")


IOS_CASES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    408: "requestTimeout",
    422: "parameters",
    429: "tooManyRequests",
}
WITH_MODEL = {"badRequest", "notFound", "methodNotAllowed", "parameters"}


def ios(status: int, body: bytes) -> Any:
    """Read as iOS, LoginKit 1.0.2: the case depends on the status, and the code is a number."""
    if status < 400:
        return SENT if not body or _object(body) is not None else "decoding"
    case = IOS_CASES.get(status, "unknown")
    if case not in WITH_MODEL:
        return case, "", 0
    error = json.loads(body)["error"]
    return case, error["description"], int(error["code"].replace("-", ""))


def cocos(status: int, body: bytes) -> Any:
    """Read as Cocos Creator 0.7.0, ``HttpUtil.ts``: an error's body must be JSON."""
    if 200 <= status <= 399:
        return SENT
    error = json.loads(body)["error"]
    return error["code"], error["description"]


def widget(status: int, body: bytes) -> Any:
    """Read as the library ``@xsolla/login-sdk``, which only keeps the code."""
    return SENT if 200 <= status < 300 else str(json.loads(body)["error"]["code"])


READERS = (unity, old_unity, unreal, android, old_android, ios, cocos, widget)


def at_the_landing(url: str) -> dict[str, str]:
    """Return the values that Unity extracts from the redirect's URL."""
    found = {}
    for name in ("token", "code", "error_code", "error_description"):
        if match := re.search(rf"[&?]{name}=([a-zA-Z0-9._+-]+)", url):
            found[name] = match[1]
    return found

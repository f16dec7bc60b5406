"""Requests of the vendors' clients, sent as bytes, and responses as the clients read them.

Each request was recorded or derived from the client's source, with another identity. Clients that
can be installed are run in ``tests/vendor_clients``.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.demonstration import COMMAND, DEADLINE, environment, free_port, manage, wait_for

from . import xsolla_sdks as sdks
from .mailbox import Mailbox
from .test_servers import SERVERS

pytestmark = pytest.mark.server

ROOT = "/F2FE78BB-5D08-44FE-B074-6E7C29B49B03/7C1A9E00-0000-4000-8000-000000000001"

SEED = """
from django.contrib.auth.models import User
from resend_confirmation import start
for number in range(60):
    email = f"p{number}@SERVER.example"
    start(User.objects.create(username=f"p{number}", email=email), send=False)
User.objects.create(username="done", email="done@example.com")
"""


@dataclass
class Site:
    """A site under one of the servers, with its own accounts."""

    name: str
    port: int
    mailbox: Mailbox
    #: The addresses that must get a message.
    due: list[str]

    def exchange(self, request: bytes) -> tuple[int, str, bytes]:
        """Send a request and return status, content type and body of the response."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as wire:
            wire.sendall(request)
            answer = wire.makefile("rb")
            status = int(answer.readline().split()[1])
            fields = dict(
                line.decode("latin-1").strip().lower().split(": ", 1)
                for line in iter(answer.readline, b"\r\n")
            )
            body = answer.read(int(fields.get("content-length", "0")))
        return status, fields.get("content-type", ""), body

    def is_up(self) -> bool:
        """Return whether the server responds."""
        with suppress(OSError):
            return self.exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200
        return False


@pytest.fixture(scope="module", params=SERVERS)
def site(request, mailbox, tmp_path_factory) -> Iterator[Site]:
    """The example site under each server, with a mailbox."""
    kept, smtp = mailbox
    folder, port = tmp_path_factory.mktemp("shipped"), free_port()
    variables = {"EMAIL_URL": f"smtp://127.0.0.1:{smtp}", "THROTTLE": "off"}
    assert manage(folder, "migrate", "--verbosity", "0", **variables).returncode == 0
    seed = SEED.replace("SERVER", request.param)
    done = manage(folder, "shell", "--verbosity", "0", "-c", seed, **variables)
    assert done.returncode == 0, done.stderr
    given = environment(folder, **variables)
    given |= {
        "PYTHONPATH": f"{given['PYTHONPATH']}:{Path(COMMAND[-1]).parent}",
        # gunicorn creates a socket in the home directory.
        "HOME": str(folder),
    }
    arguments = [argument.format(port=port) for argument in SERVERS[request.param]]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, *arguments], env=given, stdout=log, stderr=log)
        try:
            made = Site(request.param, port, kept, [])
            wait_for(made.is_up, request.param)
            yield made
            # At the end, since the carrier pauses between rounds.
            for who in made.due:
                assert kept.message_to(who)["Subject"]
        finally:
            process.terminate()
            process.wait(DEADLINE)


def request(line: str, *headers: str, body: str = "") -> str:
    """Return a request with the placeholder ``WHO`` for the identity."""
    return "\r\n".join([f"{line} HTTP/1.1", *headers, "", body])


def bytes_of(recorded: str, identity: str) -> bytes:
    """Return the request for ``identity``, with the right Content-Length."""
    head, _, body = recorded.replace("WHO", identity).partition("\r\n\r\n")
    return f"{head}\r\n\r\n{body}".replace("LENGTH", str(len(body.encode()))).encode()


# Backendless: requests of its clients, and how they read responses


def swift(status: int, media_type: str, body: bytes) -> Any:
    """Read as Backendless/Swift-SDK, ``BackendlessRequestManager.swift``: no body is success."""
    if body in (b"", b"null"):
        return "sent"
    with suppress(ValueError):
        fault = json.loads(body)
        if isinstance(fault, dict) and type(fault.get("code")) is int:
            return fault["code"], fault["message"]
        return "nothing is called" if 200 <= status <= 400 else status
    return 0, body.decode()


def flutter(status: int, media_type: str, body: bytes) -> Any:
    """Read as Backendless/Flutter-SDK, ``lib/core/invoker.dart``."""
    if status < 400:
        return "sent" if not body else json.loads(body)
    try:
        fault = json.loads(body)
    except ValueError:
        return None, body.decode()
    code, message = fault.get("code"), fault["message"]
    assert code is None or type(code) is int
    assert isinstance(message, str)
    return code, message


def retrofit(status: int, media_type: str, body: bytes) -> Any:
    """Read as a Retrofit interface with ``Response<Void>`` that parses the error's body."""
    if 200 <= status < 300:
        return "sent"
    fault = json.loads(body)
    return fault["code"], fault["message"]


HOST = "Host: localhost"
IOS = [
    HOST,
    "user-token: 0F2A5E3C-STALE",
    "Content-Length: 0",
    "Accept: */*",
    "User-Agent: App/1 CFNetwork/1494",
]
DART = [
    "user-agent: Dart/3.4 (dart:io)",
    "content-type: application/json",
    "accept-encoding: gzip",
    "content-length: 0",
    "host: localhost",
]
OKHTTP = [
    "Content-Length: 0",
    HOST,
    "Connection: Keep-Alive",
    "Accept-Encoding: gzip",
    "User-Agent: okhttp/4.12.0",
]
NODE = [HOST, "Connection: keep-alive", "Content-Length: 0"]
OLD = ["application-id: F2FE78BB-5D08-44FE-B074-6E7C29B49B03"]
OLD += ["secret-key: 7C1A9E00-0000-4000-8000-000000000001", "application-type: JS"]
FORM = "Content-Type: application/x-www-form-urlencoded"
PLAIN, OTHER = "users/resendconfirmation/WHO", "users/resendEmailConfirmation/WHO"

BACKENDLESS = {
    "Swift 7, id and key": (request(f"POST {ROOT}/{PLAIN}", *IOS), swift),
    "Swift 7, domain": (request(f"POST /api/{PLAIN}", *IOS), swift),
    "Flutter 8, id and key": (request(f"POST {ROOT}/{OTHER}", *DART), flutter),
    "Flutter 8, domain": (request(f"POST /api/{OTHER}", *DART), flutter),
    "Retrofit": (request(f"POST /api/{PLAIN}", *OKHTTP), retrofit),
    "JS 7 and 8": (request(f"POST {ROOT}/{PLAIN}", *NODE), retrofit),
    "JS 8, a base that ends in a slash": (request(f"POST //api/{PLAIN}", *NODE), retrofit),
    "JS 4": (request(f"POST {ROOT}/{PLAIN}", *NODE, FORM), retrofit),
    "JS 3": (request(f"POST /v1/{PLAIN}", HOST, "Content-Length: 0", FORM, *OLD), retrofit),
}

NOBODY = "Unable to send email confirmation - user account with the email cannot be found."

# Strapi: requests of its clients and of common tools

K = '{"email":"WHO"}'
#: As in Postman's snippets.
T = '{\n\t "email": "WHO"\n}'
JSON, TEXT = "Content-Type: application/json", "content-type: text/plain;charset=UTF-8"
UNDICI = [
    "host: localhost",
    "connection: keep-alive",
    "accept: */*",
    "accept-language: *",
    "sec-fetch-mode: cors",
    "user-agent: node",
    "accept-encoding: gzip, deflate",
    "content-length: LENGTH",
]
CURL = [HOST, "User-Agent: curl/7.88.1", "Accept: */*", "Content-Length: LENGTH"]
AXIOS = ["Accept: application/json, text/plain, */*", JSON, "User-Agent: axios/0.27.2"]
STALE = "Authorization: Bearer null"
WGET = ["User-Agent: Wget/1.21.3", "Accept: */*", "Accept-Encoding: identity", HOST, FORM]
LENGTH = "Content-Length: LENGTH"
UNDICI_BOUNDARY, CURL_BOUNDARY = "----formdata-undici-012934248522", "-" * 24 + "1ea0e6ff5ce2ca19"
FETCH_FORM = "content-type: application/x-www-form-urlencoded;charset=UTF-8"


def multipart(boundary: str) -> str:
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="email"\r\n\r\nWHO\r\n'
        f"--{boundary}--\r\n"
    )


EXTRA = '{"email":"WHO","url":"https://x.example/admin/plugins/users-permissions/auth"}'
BOTH = {
    "strapi-sdk-js": (*AXIOS, HOST, LENGTH, K),
    "Nuxt 0.3.6 (ky)": ("content-type: application/json", "accept: */*", HOST, LENGTH, K),
    "Nuxt 2, with a token": ("accept: application/json", JSON, STALE, HOST, LENGTH, K),
    "@strapi/client 1.6.2": (TEXT, HOST, LENGTH, K),
    "axios 1, stale token, extra key": (*AXIOS, STALE, LENGTH, HOST, EXTRA),
    "fetch, text": (*UNDICI, TEXT, T),
    "fetch, URLSearchParams": (*UNDICI, FETCH_FORM, "email=WHO"),
    "curl --data-raw": (*CURL, FORM, T),
    "curl -d": (*CURL, FORM, "email=WHO"),
    "wget --body-data": (*WGET, LENGTH, T),
    "http.client": (HOST, "Accept-Encoding: identity", LENGTH, T),
}
#: Strapi 3 does not accept multipart.
FOUR = BOTH | {
    "fetch, FormData": (
        *UNDICI,
        f"content-type: multipart/form-data; boundary={UNDICI_BOUNDARY}",
        multipart(UNDICI_BOUNDARY),
    ),
    "curl -F": (
        *CURL,
        f"Content-Type: multipart/form-data; boundary={CURL_BOUNDARY}",
        multipart(CURL_BOUNDARY),
    ),
}


def to(path: str, parts: tuple[str, ...]) -> str:
    *headers, body = parts
    return request(f"POST {path}", *headers, body=body)


THREE_PATH, FOUR_PATH = "/auth/send-email-confirmation", "/api/auth/send-email-confirmation"
STRAPI = {f"3: {name}": to(THREE_PATH, parts) for name, parts in BOTH.items()}
STRAPI |= {f"4: {name}": to(FOUR_PATH, parts) for name, parts in FOUR.items()}

# quiva.ai: a client that is generated from the published document

QUIVA = request("POST /accounts/resend-confirmation", HOST, JSON, LENGTH, body=K)
CHECK = (
    b'{"data":{"message":"Please check your inbox. If a root account is associated with this '
    b'email and remains unconfirmed, a reconfirmation message should have been sent."}}'
)


# Xsolla: requests of its SDKs; ``xsolla_sdks`` has their parsers

PROJECT = "projectId=40db2ea4-5d42-11e6-a3ff-005056a0e04a"
RAW = "http://127.0.0.1:8000/landing/game/"
ENCODED = "http%3A%2F%2F127.0.0.1%3A8000%2Flanding%2Fgame%2F"
HALF_ENCODED = "http:%2F%2F127.0.0.1:8000%2Flanding%2Fgame%2F"
CALL = "user/resend_confirmation_link"
OAUTH2 = f"oauth2/{CALL}"
OLD_JWT = f"{CALL}?{PROJECT}&login_url={ENCODED}"
UUID4 = "state=0b1f7f6e-3d8e-4c9d-9d3e-1f0b8b9c7a11"
UE4 = "engine=ue4&engine_v=4.26.2-0+++UE4+Release-4.26&sdk=login&sdk_v=0.6.0"
OLD_ANDROID = "engine=android&engine_v=11&sdk=login&sdk_v=1.1.6"
J = '{"username":"WHO"}'
INDENTED = '{\r\n\t"username": "WHO"\r\n}'


def of_sdk(target: str, body: str, *headers: str, media_type: str = "application/json") -> str:
    named = ["X-SDK: LOGIN", *headers, f"Content-Type: {media_type}", LENGTH, HOST]
    return request(f"POST {target}", *named, body=body)


#: As sent by OkHttp.
GSON = "application/json; charset=UTF-8"
AXIOS_TYPE = "application/json;charset=utf-8"
XSOLLA = {
    "Unity 3": (
        of_sdk(
            f"/api/{OAUTH2}?client_id=57&state=xsollatest&redirect_uri={RAW}&locale=de_DE"
            "&engine=unity&engine_v=2022.3.20f1&sdk=login&sdk_v=3.1.1"
            "&build_platform=windowsplayer",
            J,
            "X-ENGINE: UNITY",
            "X-BUILD-PLATFORM: WINDOWSPLAYER",
        ),
        sdks.unity,
    ),
    "Unity 0.7, JWT": (
        of_sdk(
            f"/api/{CALL}?{PROJECT}&login_url={RAW}&payload=&engine=unity"
            "&engine_v=2019.4.40f1&sdk=login&sdk_v=0.7.1",
            J,
        ),
        sdks.old_unity,
    ),
    "Unreal 4": (
        of_sdk(
            f"/api/{OAUTH2}?client_id=57&state=xsollatest&locale=de_DE&redirect_uri={RAW}"
            "&engine=ue5&engine_v=5.4.1-0+++UE5+Release-5.4&sdk=login&sdk_v=4.2.3"
            "&build_platform=windows&ref=partner&ref_v=1.0",
            INDENTED,
            "X-ENGINE-V: 5.4.1-0+++UE5+Release-5.4",
        ),
        sdks.unreal,
    ),
    "Unreal 0.8, JWT": (of_sdk(f"/api/{OLD_JWT}&payload=a=b,c&{UE4}", INDENTED), sdks.unreal),
    "Unreal 0.8, proxy": (
        of_sdk(
            f"/api/proxy/registration/resend_confirmation_link?{PROJECT}&login_url={ENCODED}&{UE4}",
            INDENTED,
        ),
        sdks.unreal,
    ),
    "Android 6": (
        of_sdk(
            f"/api/{OAUTH2}?client_id=58&redirect_uri=app%3A%2F%2Fxlogin.com.example.arcade"
            f"&{UUID4}&locale=de_DE&engine=android&engine_v=14&sdk=login&sdk_v=6.0.14",
            J,
            "Accept-Charset: UTF-8",
        ),
        sdks.android,
    ),
    "Android 6, the engine first": (
        of_sdk(
            "/api/oauth2/user/resend_confirmation_link?engine=android&engine_v=14&sdk=login"
            "&sdk_v=6.0.14&client_id=58&redirect_uri=app%3A%2F%2Fxlogin.com.example.arcade"
            f"&{UUID4}",
            J,
            media_type=GSON,
        ),
        sdks.android,
    ),
    "Android 1.1, JWT": (
        of_sdk(f"/{OLD_JWT}&payload=p1&{OLD_ANDROID}", J, media_type=GSON),
        sdks.old_android,
    ),
    "Android 1.1, OAuth 2.0": (
        of_sdk(
            f"/{OAUTH2}?client_id=57&redirect_uri={ENCODED}&{UUID4}&{OLD_ANDROID}",
            J,
            media_type=GSON,
        ),
        sdks.old_android,
    ),
    "iOS": (
        of_sdk(
            f"/api/{OAUTH2}?locale=de_DE&state=xsollatest&client_id=57&redirect_uri={RAW}"
            "&engine=ios&engine_v=17.5&sdk=login&sdk_v=1.0.2",
            J,
            "Accept: application/json",
            "Cookie: ",
        ),
        sdks.ios,
    ),
    "Cocos": (
        of_sdk(
            f"/api/{OAUTH2}?client_id=57&redirect_uri={ENCODED}&state=xsollatest&locale=de_DE"
            "&engine=cocos&engine_v=3.8.2&sdk=commerce&sdk_v=0.2.0_demo&build_platform=android",
            J,
        ),
        sdks.cocos,
    ),
    "widget, JWT": (
        of_sdk(
            f"/api/{CALL}?{PROJECT}&locale=de_DE&login_url={HALF_ENCODED}"
            "&payload=p+1&with_logout=1",
            J,
            media_type=AXIOS_TYPE,
        ),
        sdks.widget,
    ),
    "widget, OAuth 2.0": (
        of_sdk(
            f"/api/{OAUTH2}?{PROJECT}&client_id=57&state=xsollatest1"
            f"&redirect_uri={HALF_ENCODED}&response_type=code",
            J,
            media_type=AXIOS_TYPE,
        ),
        sdks.widget,
    ),
    # The SDK's base URL ends in a slash.
    "a base below api/ that ends in a slash": (
        of_sdk(f"/api//{OAUTH2}?client_id=57", J),
        sdks.android,
    ),
    "a base that ends in a slash": (of_sdk(f"//api/{OLD_JWT}&{OLD_ANDROID}", J), sdks.old_android),
}


@pytest.mark.parametrize(
    ("number", "name"),
    [*enumerate(BACKENDLESS)],
    ids=[name.replace(" ", "-") for name in BACKENDLESS],
)
def test_backendless(site, number, name):
    """A pending account gets a message; the client reads code and text of both errors."""
    recorded, read = BACKENDLESS[name]

    def ask(identity: str) -> Any:
        return read(*site.exchange(bytes_of(recorded, identity)))

    who = f"p{number}@{site.name}.example"
    assert ask(who) == "sent"
    assert ask("nobody@example.com") == (3104, NOBODY)
    code, text = ask("done@example.com")
    assert (code, bool(text)) == (3102, True)
    site.due.append(who)


@pytest.mark.parametrize(
    ("number", "name"), [*enumerate(STRAPI, len(BACKENDLESS))], ids=list(STRAPI)
)
def test_strapi(site, number, name):
    """Each form of the body sends a message and gets the vendor's response."""
    who = f"p{number}@{site.name}.example"
    answer = site.exchange(bytes_of(STRAPI[name], who))
    assert answer == (200, "application/json", f'{{"email":"{who}","sent":true}}'.encode())
    site.due.append(who)


@pytest.mark.parametrize(
    ("number", "name"),
    [*enumerate(XSOLLA, len(BACKENDLESS) + len(STRAPI))],
    ids=[name.replace(" ", "-") for name in XSOLLA],
)
def test_xsolla(site, number, name):
    """Each SDK's request sends a message; the SDK reads code or text of errors."""
    recorded, read = XSOLLA[name]

    def ask(identity: str) -> Any:
        status, _, body = site.exchange(bytes_of(recorded, identity))
        return read(status, body)

    who = f"p{number}@{site.name}.example"
    assert ask(who) == sdks.SENT
    text, code = "User account is already confirmed.", "003-409"
    assert ask("done@example.com") in [
        text,
        code,
        (code, text),
        ("UnknownError", code, text),
        ("parameters", text, 3409),
    ]
    assert ask("a" * 256) != sdks.SENT
    site.due.append(who)


def test_strapi_swift(site):
    """The body of StrapiSwiftCross is not JSON, which the vendor refuses as well."""
    body = '    { "email": WHO }\n'
    recorded = request(f"POST {FOUR_PATH}", HOST, JSON, LENGTH, body=body)
    status, _, answer = site.exchange(bytes_of(recorded, "pending@example.com"))
    assert (status, json.loads(answer)["data"]) == (400, None)


@pytest.mark.parametrize("name", ["p59@{}.example", "nobody@example.com", "done@example.com"])
def test_quiva(site, name):
    """All accounts get the same response; a pending one gets a message."""
    who = name.format(site.name)
    status, media_type, body = site.exchange(bytes_of(QUIVA, who))
    assert (status, media_type, body) == (200, "application/json", CHECK)
    if who.startswith("p"):
        site.due.append(who)

"""Forms of identities in a path, under servers that hosts use."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.demonstration import COMMAND, DEADLINE, environment, free_port, manage, wait_for

pytestmark = [pytest.mark.django, pytest.mark.server]

GAME = "F2FE78BB-5D08-44FE-B074-6E7C29B49B03"
KEY = "7C1A9E00-0000-4000-8000-000000000001"

#: The arguments that start each server.
SERVERS = {
    "gunicorn": ["-m", "gunicorn", "--bind", "127.0.0.1:{port}", "example.wsgi"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "example.asgi:application"],
    "runserver": [*COMMAND[1:], "runserver", "--noreload", "127.0.0.1:{port}"],
}

#: The path before the identity and the headers, for each form of URL.
ROOTS = {
    "A": ("/api/users/resendconfirmation/", ""),
    "C": (f"/{GAME}/{KEY}/users/resendconfirmation/", ""),
    "D": (
        "/v1/users/resendconfirmation/",
        f"application-id: {GAME}\r\nsecret-key: {KEY}\r\n",
    ),
    "E, as A": ("/api/users/resendEmailConfirmation/", ""),
    "E, as C": (f"/{GAME}/{KEY}/users/resendEmailConfirmation/", ""),
}

#: The pending accounts, address to user name, including some that a decoding error would find.
ACCOUNTS = {
    "pending@example.com": "pending",
    "plus+tag@example.com": "plus",
    "space@example.com": "plus tag",
    "plus@example.com": "cut",
    "both@example.com": "plus+tag",
    "a/b@example.com": "slash",
    "b@example.com": "tail",
    "a@example.com": "head",
    "hash#tag@example.com": "hash#tag",
    "hash@example.com": "hash",
    "100%@example.com": "percent",
    "100%25@example.com": "twice",
    "grüße@bücher.example": "umlaut",
    "gr@example.com": "gr",
    "ключ@пример.example": "ключ",
    "escape@example.com": "x%FCy",
    "decoded@example.com": "xüy",
    "utf@example.com": "x%C3%BCy",
    "number@example.com": "7001",
    "zeros@example.com": "07001",
}

#: The identity as it is sent, and the address of its account.
IDENTITIES: list[tuple[bytes, str]] = [
    (b"pending@example.com", "pending@example.com"),
    (b"pending%40example.com", "pending@example.com"),
    (b"pending@example.com/", "pending@example.com"),
    (b"pending%40example.com/", "pending@example.com"),
    (b"pending", "pending@example.com"),
    (b"pending%0A", "pending@example.com"),
    (b"%70ending", "pending@example.com"),
    (b"plus+tag@example.com", "plus+tag@example.com"),
    (b"plus%2Btag%40example.com", "plus+tag@example.com"),
    (b"plus%2btag@example.com", "plus+tag@example.com"),
    (b"plus%20tag", "space@example.com"),
    (b"plus+tag", "both@example.com"),
    (b"plus%2Btag", "both@example.com"),
    (b"a/b@example.com", "a/b@example.com"),
    (b"a%2Fb%40example.com", "a/b@example.com"),
    (b"hash%23tag@example.com", "hash#tag@example.com"),
    (b"hash%23tag", "hash#tag@example.com"),
    (b"hash#tag", "hash#tag@example.com"),
    (b"hash#tag@example.com", "hash#tag@example.com"),
    (b"100%25@example.com", "100%@example.com"),
    (b"100%@example.com", "100%@example.com"),
    (b"100%2525@example.com", "100%25@example.com"),
    ("grüße@bücher.example".encode(), "grüße@bücher.example"),
    ("grüße@bücher.example".encode("latin-1"), "grüße@bücher.example"),
    (quote("grüße@bücher.example").encode(), "grüße@bücher.example"),
    (b"gr%FC%DFe@b%FCcher.example", "grüße@bücher.example"),
    ("ключ@пример.example".encode(), "ключ@пример.example"),
    (quote("ключ").encode(), "ключ@пример.example"),
    (b"x%25FCy", "escape@example.com"),
    (b"x%FCy", "decoded@example.com"),
    ("xüy".encode(), "decoded@example.com"),
    ("xüy".encode("latin-1"), "decoded@example.com"),
    (b"x%25C3%25BCy", "utf@example.com"),
    (b"7001", "number@example.com"),
    (b"07001", "zeros@example.com"),
]

#: Identities without an account, for which a decoding error would find one.
NOBODYS = [
    b"pending%2540example.com",
    b"pending@example.com//",
    b"pending%00",
    b"b%2Fa@example.com",
    b"7001.0",
    b"%37%30%30%32",
    b"%20",
    b"",
]

OK = (200, "", b"")
#: The content type of a server's own response to an invalid request.
NOT_HTTP = {"gunicorn": "text/html", "uvicorn": "text/plain; charset=utf-8"}

#: Accounts found under a server that only passes the decoded path, in which an escaped percent sign
#: before two hexadecimal digits is ambiguous. The docs mention this limit.
READ_BY_PATH_INFO = {b"x%25FCy": "decoded@example.com", b"x%25C3%25BCy": "decoded@example.com"}
NO_ACCOUNT = (
    b'{"message":"Unable to send email confirmation - user account with the email cannot be '
    b'found.","code":3104}'
)
NOT_FOUND = (400, "application/json", NO_ACCOUNT)


@dataclass
class Server:
    """A server's process, and the database of its site."""

    name: str
    port: int
    database: Path
    process: subprocess.Popen
    log: Path

    def exchange(self, request: bytes) -> bytes:
        """Return the bytes received on a connection until the server closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as wire:
            wire.sendall(request)
            return b"".join(iter(lambda: wire.recv(65536), b""))

    def post(
        self, target: bytes, headers: str = "", sent: bytes = b"", length: str = "Content-Length: 0"
    ) -> tuple[int, str, bytes]:
        """Send a POST and return status, content type and body of the response."""
        lines = f"Host: localhost\r\n{length}\r\nConnection: close\r\n{headers}\r\n"
        answer = self.exchange(b"POST " + target + b" HTTP/1.1\r\n" + lines.encode() + sent)
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        given = dict(line.lower().split(": ", 1) for line in fields)
        return int(status.split()[1]), given.get("content-type", ""), body

    def asked(self) -> list[str]:
        """Return the addresses of all deliveries, and delete the deliveries."""
        table, confirmations = "resend_confirmation_delivery", "resend_confirmation_confirmation"
        with closing(sqlite3.connect(self.database, timeout=DEADLINE)) as database, database:
            found = database.execute(
                f"SELECT address FROM {table} d JOIN {confirmations} c ON c.id = d.confirmation_id"
            ).fetchall()
            (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert count == len(found)
            database.execute(f"DELETE FROM {table}")
        return [address for (address,) in found]

    def is_up(self) -> bool:
        """Return whether the server responds."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self.exchange(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"))
        except OSError:
            return False


@pytest.fixture(scope="module")
def seeded(tmp_path_factory) -> Path:
    """A folder with a site's database, in which all ACCOUNTS are pending."""
    folder: Path = tmp_path_factory.mktemp("seeded")
    migrated = manage(folder, "migrate", "--verbosity", "0", CARRIER="none")
    assert migrated.returncode == 0, migrated.stderr
    seed = (
        "from django.contrib.auth.models import User; from resend_confirmation import start\n"
        f"for email, name in {ACCOUNTS!r}.items():\n"
        "    start(User.objects.create(username=name, email=email), send=False)\n"
    )
    done = manage(folder, "shell", "--verbosity", "0", "-c", seed, CARRIER="none")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module", params=SERVERS)
def server(request, seeded) -> Iterator[Server]:
    """The example site under each server, with the same database."""
    port = free_port()
    arguments = [argument.format(port=port) for argument in SERVERS[request.param]]
    log = seeded / f"{request.param}.txt"
    variables = environment(seeded, CARRIER="none", THROTTLE="off", COOLDOWN="off")
    path = os.pathsep.join([variables["PYTHONPATH"], str(Path(COMMAND[-1]).parent)])
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, *arguments],
            # gunicorn creates a socket in the home directory.
            env=variables | {"PYTHONPATH": path, "HOME": str(seeded)},
            stdout=output,
            stderr=output,
        ) as process,
    ):
        made = Server(request.param, port, seeded / "site.sqlite3", process, log)
        try:
            wait_for(made.is_up, request.param)
            yield made
        finally:
            process.terminate()
            process.wait(DEADLINE)


every_root = pytest.mark.parametrize(("root", "headers"), ROOTS.values(), ids=list(ROOTS))
FIRST, _ = ROOTS["A"]


@every_root
def test_root(server, root, headers):
    """Each form of URL passes the identity."""
    assert server.post(root.encode() + b"plus%2Btag%40example.com", headers) == OK
    assert server.asked() == ["plus+tag@example.com"]


@pytest.mark.parametrize(("identity", "address"), IDENTITIES, ids=repr)
def test_identity(server, identity, address):
    """Each form of identity finds its account."""
    if server.name != "runserver" and not identity.isascii():
        # These servers refuse raw bytes beyond ASCII themselves.
        status, media_type, _ = server.post(FIRST.encode() + identity)
        assert (status, media_type) == (400, NOT_HTTP[server.name])
        assert server.asked() == []
        return
    if server.name == "runserver":
        address = READ_BY_PATH_INFO.get(identity, address)
    assert server.post(FIRST.encode() + identity) == OK
    assert server.asked() == [address]


@pytest.mark.parametrize(
    ("identity", "address"),
    [(b"a/b@example.com/", "a/b@example.com"), (b"hash%23tag", "hash#tag@example.com")],
    ids=repr,
)
def test_two_slashes(server, identity, address):
    """A path with two leading slashes is accepted; clients send it if their base URL has one."""
    assert server.post(b"/" + FIRST.encode() + identity) == OK
    assert server.asked() == [address]


@pytest.mark.parametrize("identity", NOBODYS, ids=repr)
def test_unknown_identity(server, identity):
    """An identity without an account gets the vendor's error."""
    assert server.post(FIRST.encode() + identity) == NOT_FOUND
    assert server.asked() == []


IN_CHUNKS = "Transfer-Encoding: chunked"


def chunks(body: bytes, size: int) -> bytes:
    """Return a body in the chunked transfer coding (RFC 9112, 7.1)."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_a_body_in_chunks(server):
    """A chunked body is read, except under Django's development server."""
    path, sent = b"/auth/send-email-confirmation", b'{"email": "pending@example.com"}'
    answer = server.post(path, sent=chunks(sent, 7), length=IN_CHUNKS)
    if server.name == "runserver":
        assert answer[0] == 400
        assert b'"missing.email"' in answer[2]
        return
    assert answer == (200, "application/json", b'{"email":"pending@example.com","sent":true}')
    assert server.asked() == ["pending@example.com"]


@pytest.mark.parametrize("size", [16 * 1024 + 1, 2_000_000])
def test_too_much_in_chunks(server, size):
    """The size limit applies to chunked bodies too."""
    if server.name == "runserver":
        pytest.skip("it does not read chunked bodies")
    sent = chunks(b'{"email": "' + b"x" * size + b'"}', 50_000)
    status, _, body = server.post(b"/auth/send-email-confirmation", sent=sent, length=IN_CHUNKS)
    assert (status, b"Payload Too Large" in body) == (413, True)
    assert server.asked() == []

"""A client that is generated from the running example site's document works against that site.

The generator is openapi-python-client: it is on PyPI, so that a Python project can declare it, and
its clients read every answer into a class, so that an answer that the document does not describe
is an error. What it makes is not kept.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.demonstration import DEADLINE, ROOT, WARNINGS, Site, running, wait_for

from .client_calls import (
    CALLS,
    QUIVA_CONFIRM,
    RECIPIENTS,
    STRAPI_CONFIRM,
    STRAPI_V4_CONFIRM,
    Call,
)

pytestmark = pytest.mark.server

DRIVER = Path(__file__).with_name("drive_client.py")


def columns(site: Site, statement: str, *values: str) -> list[Any]:
    """The first column of what the site's database has, read past the site."""
    with closing(sqlite3.connect(site.folder / "site.sqlite3", timeout=DEADLINE)) as database:
        return [row[0] for row in database.execute(statement, values)]


@pytest.fixture(scope="module")
def site(mailbox, tmp_path_factory):
    """The example site, sending by SMTP."""
    folder = tmp_path_factory.mktemp("generated")
    with running(folder, EMAIL_URL=f"smtp://127.0.0.1:{mailbox[1]}") as site:
        yield site


@pytest.fixture(scope="module")
def client(site):
    """A generated client's calls: each list of them is one run of a process that imports it."""
    # Its formatter is looked for on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    generated = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--url", f"{site.url}/schema/"),
            *("--meta", "none", "--output-path", str(site.folder / "site_client")),
        ],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert generated.returncode == 0, generated.stdout + generated.stderr

    def call(calls: list[Call]) -> list[dict[str, Any]]:
        given = [{"module": c.module, "arguments": c.arguments, "body": c.body} for c in calls]
        ran = subprocess.run(
            [sys.executable, *WARNINGS, str(DRIVER), site.url],
            cwd=site.folder,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        answers: list[dict[str, Any]] = json.loads(ran.stdout)
        assert len(answers) == len(calls)
        return answers

    return call


@pytest.fixture(scope="module")
def answers(client):
    """The results of CALLS."""
    return client(CALLS)


@pytest.fixture(scope="module")
def messages(site, mailbox, answers):
    """Everything that was sent on account of CALLS, by recipient."""
    on_its_way = (
        "SELECT id FROM resend_confirmation_delivery WHERE state IN ('asked', 'queued', 'sending')"
    )
    wait_for(lambda: not columns(site, on_its_way), "the messages")
    return mailbox[0].messages


def token_to(messages, address: str) -> str:
    """The token of the link that was sent to an address."""
    (text,) = (m.get_body(["plain"]).get_content() for to, m in messages if to == [address])
    (token,) = set(re.findall(r"/confirm/\?token=([\w-]{43})(?![\w-])", text))
    return str(token)


@pytest.mark.parametrize("number", range(len(CALLS)), ids=[str(call) for call in CALLS])
def test_answer_is_read(answers, number):
    """Status, model and every field are as they ought to be; nothing is left unread."""
    call, answer = CALLS[number], answers[number]
    assert (answer["status"], answer["model"]) == (call.status, call.model)
    assert answer["parsed"] == call.parsed
    assert answer["left_over"] == []
    assert (answer["length"] == 0) == (call.parsed is None)


def test_wait_is_reported(answers):
    """The documented header of 429 is a whole number, up to the cooldown."""
    (limited,) = (answer for answer in answers if answer["status"] == 429)
    assert 1 <= int(limited["headers"]["retry-after"]) <= 60


def test_messages_are_sent(messages):
    """Each success sends one message, to the account's own address; nothing else sends any."""
    assert Counter(to for recipients, _ in messages for to in recipients) == Counter(RECIPIENTS)


def test_every_operation_is_called(document):
    """The calls are of all operations, each with a success, here or below, and with an error."""
    count = sum(len(item) for item in document["paths"].values())
    operations = {call.module for call in CALLS}
    failed = {call.module for call in CALLS if call.status >= 400}
    succeeded = {call.module for call in CALLS if call.status < 300}
    assert len(operations) == count
    assert failed == operations
    assert operations - succeeded == {QUIVA_CONFIRM, STRAPI_CONFIRM, STRAPI_V4_CONFIRM}


def test_token_confirms(site, client, messages):
    """A front end that finishes the flow sends the token and gets the account's address."""
    address = "pending000004@example.com"
    assert site.state_of(address) == "pending"
    body = ("ConfirmAccountEmailBody", {"token": token_to(messages, address)})
    (answer,) = client([Call(QUIVA_CONFIRM, body, 200)])
    (pk,) = columns(site, "SELECT id FROM auth_user WHERE email = ?", address)
    assert (answer["status"], answer["model"]) == (200, "ConfirmAccountEmailResponse200")
    assert answer["parsed"] == {
        "data": {
            "account": "pending000004",
            "email": "pending000004@example.com",
            "account_id": str(pk),
            "user_id": str(pk),
        }
    }
    assert answer["left_over"] == []
    assert site.state_of(address) == "confirmed"


@pytest.mark.parametrize("module", [STRAPI_CONFIRM, STRAPI_V4_CONFIRM])
def test_link_leads_to_the_page(site, client, messages, module):
    """The vendor's link is answered with the page that has the button, and confirms nothing."""
    token = token_to(messages, "pending000005@example.com")
    (answer,) = client([Call(module, (), 302, arguments={"confirmation": token})])
    assert (answer["status"], answer["model"]) == (302, None)
    assert answer["headers"]["location"] == f"{site.url}/confirm/?token={token}"
    assert site.state_of("pending000005@example.com") == "pending"


@pytest.mark.usefixtures("client", "messages")
def test_documented_example_runs(site, mailbox):
    """The example in the documentation is answered as it says, and sends a message."""
    page = (ROOT / "docs" / "how-to" / "openapi.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    (example,) = (block for block in blocks if "site_client" in block)
    ran = subprocess.run(
        [sys.executable, *WARNINGS, "-c", example.replace("https://site.example", site.url)],
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ran.stderr == ""
    assert ran.stdout.startswith("200 ResendAccountConfirmationResponse200(data=")
    message = mailbox[0].message_to("pending@example.com")
    assert message["Subject"] == "Please confirm your e-mail address"

"""A client that is generated from the example site's document works with the site.

The generator is openapi-python-client. It is on PyPI, and its clients parse each answer into a
class, so an answer that the document does not describe is an error.
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
    """Query the site's database and return the first column."""
    with closing(sqlite3.connect(site.folder / "site.sqlite3", timeout=DEADLINE)) as database:
        return [row[0] for row in database.execute(statement, values)]


@pytest.fixture(scope="module")
def site(mailbox, tmp_path_factory):
    """The example site, which sends through SMTP."""
    folder = tmp_path_factory.mktemp("generated")
    with running(folder, EMAIL_URL=f"smtp://127.0.0.1:{mailbox[1]}") as site:
        yield site


@pytest.fixture(scope="module")
def client(site):
    """Generate a client; return a function that makes calls in a subprocess."""
    # The generator looks for its formatter on the path.
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
    """The messages that were sent because of CALLS, with recipients."""
    on_its_way = (
        "SELECT id FROM resend_confirmation_delivery WHERE state IN ('asked', 'queued', 'sending')"
    )
    wait_for(lambda: not columns(site, on_its_way), "the messages")
    return mailbox[0].messages


def token_to(messages, address: str) -> str:
    """Return the token of the link that was sent to an address."""
    (text,) = (m.get_body(["plain"]).get_content() for to, m in messages if to == [address])
    (token,) = set(re.findall(r"/confirm/\?token=([\w-]{43})(?![\w-])", text))
    return str(token)


@pytest.mark.parametrize("number", range(len(CALLS)), ids=[str(call) for call in CALLS])
def test_answer_is_read(answers, number):
    """Each answer has the expected status, model and fields, and no undeclared keys."""
    call, answer = CALLS[number], answers[number]
    assert (answer["status"], answer["model"]) == (call.status, call.model)
    assert answer["parsed"] == call.parsed
    assert answer["left_over"] == []
    assert (answer["length"] == 0) == (call.parsed is None)


def test_wait_is_reported(answers):
    """The header Retry-After of the 429 is an integer up to the cooldown."""
    (limited,) = (answer for answer in answers if answer["status"] == 429)
    assert 1 <= int(limited["headers"]["retry-after"]) <= 60


def test_messages_are_sent(messages):
    """Each success sends one message to the account's address; errors send none."""
    assert Counter(to for recipients, _ in messages for to in recipients) == Counter(RECIPIENTS)


def test_every_operation_is_called(document):
    """All operations are called with an error and, here or below, a success."""
    count = sum(len(item) for item in document["paths"].values())
    operations = {call.module for call in CALLS}
    failed = {call.module for call in CALLS if call.status >= 400}
    succeeded = {call.module for call in CALLS if call.status < 300}
    assert len(operations) == count
    assert failed == operations
    assert operations - succeeded == {QUIVA_CONFIRM, STRAPI_CONFIRM, STRAPI_V4_CONFIRM}


def test_token_confirms(site, client, messages):
    """The confirm call with the message's token confirms and returns the address."""
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
    """The vendor's link redirects to our page, and confirms nothing."""
    token = token_to(messages, "pending000005@example.com")
    (answer,) = client([Call(module, (), 302, arguments={"confirmation": token})])
    assert (answer["status"], answer["model"]) == (302, None)
    assert answer["headers"]["location"] == f"{site.url}/confirm/?token={token}"
    assert site.state_of("pending000005@example.com") == "pending"


def of_site(example: str, site: Site) -> str:
    """Return the example with the site's URL and its group: it has one for each dialect."""
    assert "api.account_management" in example
    return example.replace("https://site.example", site.url).replace("account_management", "quiva")


@pytest.mark.usefixtures("client", "messages")
def test_documented_example_runs(site, mailbox):
    """The documentation's example has the documented output, and sends a message."""
    page = (ROOT / "docs" / "how-to" / "openapi.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    (example,) = (block for block in blocks if "site_client" in block)
    ran = subprocess.run(
        [sys.executable, *WARNINGS, "-c", of_site(example, site)],
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ran.stderr == ""
    assert ran.stdout.startswith("200 ResendAccountConfirmationResponse200(data=")
    message = mailbox[0].message_to("pending@example.com")
    assert message["Subject"] == "Please confirm your e-mail address for Example site"

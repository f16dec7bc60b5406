"""Sending through all of anymail's backends, over HTTP to a local server."""

import json
import re
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any
from urllib.parse import parse_qs

import anymail.backends
import django
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.core import mail

from resend_confirmation import start
from resend_confirmation.courier import Tally, pause, send_due
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import DeliveryState, Reason

from .factories import UserFactory

pytestmark = [
    pytest.mark.django,
    pytest.mark.django_db,
    # Anymail warns that it no longer officially supports SendGrid.
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailWarning"),
]

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


# A local provider


@dataclass
class Request:
    """A request that the provider received."""

    path: str
    headers: Any
    body: bytes

    @property
    def data(self):
        """The decoded JSON or form data."""
        if self.body.startswith(b"{"):
            return json.loads(self.body)
        return parse_qs(self.body.decode(), strict_parsing=True)


@dataclass
class Answer:
    """The provider's response."""

    status: int
    body: Any = b""
    headers: dict = field(default_factory=lambda: {"Content-Type": "application/json"})

    @property
    def bytes(self):
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Api:
    """A provider's API, which stores requests and responds as the test prescribes."""

    def __init__(self):
        self.requests: list[Request] = []
        self.answer = Answer(500)
        #: Set at the end, so that waiting handlers return.
        self.over = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.requests.append(Request(self.path, self.headers, body))
                api.reply(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/v0"

    def reply(self, handler):
        """Send the prescribed response, or let a callable handle the connection."""
        if callable(self.answer):
            self.answer(handler)
            return
        body = self.answer.bytes
        handler.send_response(self.answer.status)
        for name, value in self.answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def stop(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def api():
    """A local server with a provider's API."""
    made = Api()
    yield made
    made.stop()


@dataclass
class Provider:
    """One of anymail's backends: its settings, and its API's response to an accepted message."""

    settings: dict
    accepts: Answer
    provider_id: str


#: Whether anymail is older than version 14.
OLD = int(anymail.__version__.partition(".")[0]) < 14
#: The backends of the installed version of anymail; older versions have fewer.
HERE = {module.name for module in iter_modules(anymail.backends.__path__)}

PROVIDERS = {
    "brevo": Provider(
        {"BREVO_API_KEY": "key"},
        Answer(201, {"messageId": "<202301012213.12345678901@smtp-relay.example>"}),
        "<202301012213.12345678901@smtp-relay.example>",
    ),
    "mailersend": Provider(
        {"MAILERSEND_API_TOKEN": "token"},
        Answer(202, b"", {"Content-Type": "text/html", "X-Message-Id": "1234567890abcdef"}),
        "1234567890abcdef",
    ),
    "mailgun": Provider(
        {"MAILGUN_API_KEY": "key"},
        Answer(200, {"id": "<20160306015544.116301.25145@site.example>", "message": "Queued."}),
        "<20160306015544.116301.25145@site.example>",
    ),
    "mailjet": Provider(
        {"MAILJET_API_KEY": "key", "MAILJET_SECRET_KEY": "secret"},
        Answer(
            200,
            {
                "Messages": [
                    {
                        "Status": "success",
                        "To": [
                            {
                                "Email": "pending@example.com",
                                "MessageID": 70650219165027410,
                                "MessageHref": "https://api.mailjet.example/v3/message/706",
                            }
                        ],
                    }
                ]
            },
        ),
        "70650219165027410",
    ),
    "mailtrap": Provider(
        {"MAILTRAP_API_TOKEN": "token"},
        Answer(200, {"success": True, "message_ids": ["0c7fd939-02cf-11ed-88c2-0a58a9feac02"]}),
        "0c7fd939-02cf-11ed-88c2-0a58a9feac02",
    ),
    "mandrill": Provider(
        {"MANDRILL_API_KEY": "key"},
        Answer(
            200,
            [
                {
                    "email": "pending@example.com",
                    "status": "sent",
                    "_id": "abc123abc123abc123abc123abc123",
                    "reject_reason": None,
                }
            ],
        ),
        "abc123abc123abc123abc123abc123",
    ),
    "postal": Provider(
        {"POSTAL_API_KEY": "key"},
        Answer(
            200,
            {
                "status": "success",
                "time": 1.08,
                "flags": {},
                "data": {
                    "message_id": "9dfcc7fe-5a9e-4bcb-8b4b-b8a3a1d3c0f4@postal.example",
                    "messages": {"pending@example.com": {"id": 1503, "token": "dsjkfhksd"}},
                },
            },
        ),
        "1503",
    ),
    "postmark": Provider(
        {"POSTMARK_SERVER_TOKEN": "token"},
        Answer(
            200,
            {
                "To": "pending@example.com",
                "SubmittedAt": "2016-03-12T15:27:50.4468803-05:00",
                "MessageID": "b4007d94-33f1-4e78-a783-97417d6c80e6",
                "ErrorCode": 0,
                "Message": "OK",
            },
        ),
        "b4007d94-33f1-4e78-a783-97417d6c80e6",
    ),
    "resend": Provider(
        {"RESEND_API_KEY": "key"},
        Answer(200, {"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}),
        "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
    ),
    "scaleway": Provider(
        {"SCALEWAY_SECRET_KEY": "key", "SCALEWAY_PROJECT_ID": "project"},
        Answer(
            200,
            {
                "emails": [
                    {
                        "id": "76f4c8d4-7d5e-4d0c-9c3e-6d2e4a4b5c6d",
                        "message_id": "0a1b2c3d-1111-2222-3333-444455556666@tem.example",
                        "project_id": "project",
                        "mail_from": "site@site.example",
                        "mail_rcpt": "pending@example.com",
                        "rcpt_type": "to",
                        "status": "sending",
                    }
                ]
            },
        ),
        "76f4c8d4-7d5e-4d0c-9c3e-6d2e4a4b5c6d",
    ),
    "sendgrid": Provider({"SENDGRID_API_KEY": "key"}, Answer(202), "anymail's own"),
    "sparkpost": Provider(
        {"SPARKPOST_API_KEY": "key"},
        Answer(
            200,
            {
                "results": {
                    "id": "12345678901234567890",
                    "total_accepted_recipients": 1,
                    "total_rejected_recipients": 0,
                }
            },
        ),
        "12345678901234567890",
    ),
    "unisender_go": Provider(
        {"UNISENDER_GO_API_KEY": "key", "UNISENDER_GO_GENERATE_MESSAGE_ID": False},
        Answer(
            200,
            {
                "status": "success",
                "job_id": "1ZymBc-00041N-9X",
                "emails": ["pending@example.com"],
            },
        ),
        "1ZymBc-00041N-9X",
    ),
}
#: Modules that are not providers, or that use another package than requests.
OTHERS = {"amazon_ses", "base", "base_requests", "console", "sendinblue", "test"}


def use(settings, name, url, **more):
    """Configure one of anymail's backends, for any version of Django."""
    backend = f"anymail.backends.{name}.EmailBackend"
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend}}
    else:
        settings.EMAIL_BACKEND = backend
    known = PROVIDERS[name].settings if name in PROVIDERS else {}
    settings.ANYMAIL = {f"{name.upper()}_API_URL": url, "REQUESTS_TIMEOUT": 5, **known, **more}


@pytest.fixture(params=sorted(HERE & set(PROVIDERS)))
def provider(request, settings, api):
    """Each of anymail's providers, which accepts every message."""
    use(settings, request.param, api.url)
    api.answer = PROVIDERS[request.param].accepts
    return request.param


def queued(user, **given):
    """Queue a message for ``user`` and return the delivery."""
    start(user, **given)
    return Delivery.objects.latest("pk")


def readable(value, delivery):
    """Return ``value`` with placeholders for the parts that differ between runs."""
    if isinstance(value, dict):
        return {key: readable(one, delivery) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [readable(one, delivery) for one in value]
    if not isinstance(value, str):
        return value
    value = value.replace(delivery.message_id, "MESSAGE-ID")
    value = value.replace(delivery.message_id[1:37], "KEY")
    if "token=" in value:
        return "HTML" if "<html" in value else "TEXT"
    if value == str(delivery.pk):
        return "PK"
    value = value.replace(f'"delivery": "{delivery.pk}"', '"delivery": "PK"')
    return re.sub(r"\A[0-9a-f]{8}-[0-9a-f-]{27}\Z", "ANYMAIL-ID", value)


def leaves(value):
    """Return all values within nested dicts and lists."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one)]
    return [value]


# Requests to each provider

SUBJECT = "Please confirm your e-mail address for site.example"
#: The path and the complete data of the request to each API.
SENT: dict[str, tuple[str, Any]] = {
    "brevo": (
        "/v0/smtp/email",
        {
            "sender": {"email": "site@site.example"},
            "to": [{"email": "pending@example.com"}],
            "subject": SUBJECT,
            "textContent": "TEXT",
            "htmlContent": "HTML",
            "headers": {
                "Message-ID": "MESSAGE-ID",
                "Auto-Submitted": "auto-generated",
                "X-Auto-Response-Suppress": "All",
                "idempotencyKey": "KEY",
                "X-Mailin-custom": '{"delivery": "PK"}',
            },
            "tags": ["confirmation"],
        },
    ),
    # MailerSend does not support metadata, or, for most accounts, headers.
    "mailersend": (
        "/v0/email",
        {
            "from": {"email": "site@site.example"},
            "to": [{"email": "pending@example.com"}],
            "subject": SUBJECT,
            "text": "TEXT",
            "html": "HTML",
            "tags": ["confirmation"],
            "settings": {"track_clicks": False, "track_opens": False},
        },
    ),
    "mailgun": (
        "/v0/site.example/messages",
        {
            "from": ["site@site.example"],
            "to": ["pending@example.com"],
            "subject": [SUBJECT],
            "text": ["TEXT"],
            "html": ["HTML"],
            "h:Message-Id": ["MESSAGE-ID"],
            "h:Auto-Submitted": ["auto-generated"],
            "h:X-Auto-Response-Suppress": ["All"],
            "v:delivery": ["PK"],
            "o:tag": ["confirmation"],
            "o:tracking-clicks": ["no"],
            "o:tracking-opens": ["no"],
        },
    ),
    # Mailjet refuses messages with a Message-ID.
    "mailjet": (
        "/v0/send",
        {
            "Globals": {
                "From": {"Email": "site@site.example"},
                "Subject": SUBJECT,
                "Headers": {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
                "TextPart": "TEXT",
                "HTMLPart": "HTML",
                "EventPayload": '{"delivery": "PK"}',
                "CustomCampaign": "confirmation",
                "TrackClicks": "disabled",
                "TrackOpens": "disabled",
            },
            "Messages": [{"To": [{"Email": "pending@example.com"}]}],
        },
    ),
    "mailtrap": (
        "/v0/send",
        {
            "from": {"email": "site@site.example"},
            "to": [{"email": "pending@example.com"}],
            "subject": SUBJECT,
            "text": "TEXT",
            "html": "HTML",
            "headers": {
                "Message-ID": "MESSAGE-ID",
                "Auto-Submitted": "auto-generated",
                "X-Auto-Response-Suppress": "All",
            },
            "custom_variables": {"delivery": "PK"},
            "category": "confirmation",
        },
    ),
    "mandrill": (
        "/v0/messages/send.json",
        {
            "key": "key",
            "message": {
                "from_email": "site@site.example",
                "to": [{"email": "pending@example.com", "type": "to"}],
                "subject": SUBJECT,
                "text": "TEXT",
                "html": "HTML",
                "headers": {
                    "Message-ID": "MESSAGE-ID",
                    "Auto-Submitted": "auto-generated",
                    "X-Auto-Response-Suppress": "All",
                },
                "metadata": {"delivery": "PK"},
                "tags": ["confirmation"],
                "track_clicks": False,
                "track_opens": False,
            },
        },
    ),
    # Postal does not support metadata.
    "postal": (
        "/v0/api/v1/send/message",
        {
            "from": "site@site.example",
            "to": ["pending@example.com"],
            "cc": [],
            "bcc": [],
            "subject": SUBJECT,
            "plain_body": "TEXT",
            "html_body": "HTML",
            "headers": {
                "Message-ID": "MESSAGE-ID",
                "Auto-Submitted": "auto-generated",
                "X-Auto-Response-Suppress": "All",
            },
            "tag": "confirmation",
        },
    ),
    "postmark": (
        "/v0/email",
        {
            "From": "site@site.example",
            "To": "pending@example.com",
            "Subject": SUBJECT,
            "TextBody": "TEXT",
            "HtmlBody": "HTML",
            "Headers": [
                {"Name": "Message-ID", "Value": "MESSAGE-ID"},
                {"Name": "Auto-Submitted", "Value": "auto-generated"},
                {"Name": "X-Auto-Response-Suppress", "Value": "All"},
                {"Name": "X-PM-KeepID", "Value": "true"},
            ],
            "Metadata": {"delivery": "PK"},
            "Tag": "confirmation",
            "TrackLinks": "None",
            "TrackOpens": False,
        },
    ),
    "resend": (
        "/v0/emails",
        {
            "from": "site@site.example",
            "to": ["pending@example.com"],
            "subject": SUBJECT,
            "text": "TEXT",
            "html": "HTML",
            "headers": {
                "Message-ID": "MESSAGE-ID",
                "Auto-Submitted": "auto-generated",
                "X-Auto-Response-Suppress": "All",
                "X-Metadata": '{"delivery": "PK"}',
                "X-Tags": '["confirmation"]',
            },
        },
    ),
    "scaleway": (
        "/v0/emails",
        {
            "project_id": "project",
            "from": {"email": "site@site.example"},
            "to": [{"email": "pending@example.com"}],
            "subject": SUBJECT,
            "text": "TEXT",
            "html": "HTML",
            "additional_headers": [
                {"key": "Message-ID", "value": "MESSAGE-ID"},
                {"key": "Auto-Submitted", "value": "auto-generated"},
                {"key": "X-Auto-Response-Suppress", "value": "All"},
                {"key": "X-Metadata", "value": '{"delivery": "PK"}'},
                {"key": "X-Tags", "value": '["confirmation"]'},
            ],
        },
    ),
    "sendgrid": (
        "/v0/mail/send",
        {
            "personalizations": [
                {
                    "to": [{"email": "pending@example.com"}],
                    "custom_args": {"anymail_id": "ANYMAIL-ID"},
                }
            ],
            "from": {"email": "site@site.example"},
            "subject": SUBJECT,
            "content": [
                {"type": "text/plain", "value": "TEXT"},
                {"type": "text/html", "value": "HTML"},
            ],
            "headers": {
                "Message-ID": "MESSAGE-ID",
                "Auto-Submitted": "auto-generated",
                "X-Auto-Response-Suppress": "All",
            },
            "custom_args": {"delivery": "PK"},
            "categories": ["confirmation"],
            "tracking_settings": {
                "click_tracking": {"enable": False},
                "open_tracking": {"enable": False},
            },
        },
    ),
    "sparkpost": (
        "/v0/transmissions/",
        {
            "content": {
                "from": "site@site.example",
                "subject": SUBJECT,
                "text": "TEXT",
                "html": "HTML",
                "headers": {
                    "Message-ID": "MESSAGE-ID",
                    "Auto-Submitted": "auto-generated",
                    "X-Auto-Response-Suppress": "All",
                },
            },
            "recipients": [
                {"address": {"email": "pending@example.com", "header_to": "pending@example.com"}}
            ],
            "metadata": {"delivery": "PK"},
            "campaign_id": "confirmation",
            "options": {"click_tracking": False, "open_tracking": False},
        },
    ),
    "unisender_go": (
        "/v0/email/send.json",
        {
            "message": {
                "from_email": "site@site.example",
                "recipients": [{"email": "pending@example.com"}],
                "subject": SUBJECT,
                "body": {"plaintext": "TEXT", "html": "HTML"},
                "headers": {
                    "to": "pending@example.com",
                    "Message-ID": "MESSAGE-ID",
                    "Auto-Submitted": "auto-generated",
                    "X-Auto-Response-Suppress": "All",
                },
                "global_metadata": {"delivery": "PK"},
                "tags": ["confirmation"],
                "track_links": 0,
                "track_read": 0,
                "idempotence_key": "KEY",
            }
        },
    ),
}


def test_every_provider_is_here():
    """The tables above contain all of anymail's backends."""
    assert sorted(HERE - set(PROVIDERS) - OTHERS) == []
    assert set(SENT) == set(PROVIDERS)


def test_sent(provider, api, pending):
    """A message is one request with one recipient and only fields that the provider supports."""
    delivery = queued(pending)
    assert send_due() == Tally(sent=1)
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT
    (request,) = api.requests
    assert (request.path, readable(request.data, delivery)) == SENT[provider]


def test_providers_id(provider, api, pending):
    """The provider's id of the message is stored, for delivery reports without metadata."""
    delivery = queued(pending)
    send_due()
    delivery.refresh_from_db()
    found = delivery.provider_id
    if provider == "sendgrid":
        (args,) = (one["custom_args"] for one in api.requests[0].data["personalizations"])
        assert found == args["anymail_id"]
    else:
        assert found == PROVIDERS[provider].provider_id


def test_providers_id_of_another_spelling(settings, api):
    """The id is stored even if the provider spells the recipient differently."""
    use(settings, "mandrill", api.url)
    api.answer = Answer(
        200, [{"email": "pending@xn--bcher-kva.example", "status": "sent", "_id": "abc123"}]
    )
    delivery = queued(UserFactory.create(email="pending@b\u00fccher.example"))
    send_due()
    delivery.refresh_from_db()
    assert delivery.provider_id == "abc123"


def test_a_comma_makes_no_second_recipient(provider, api):
    """An address that anymail would parse as two is one mailbox with a quoted name."""
    delivery = queued(UserFactory.create(email='"a,b"@example.com'))
    assert send_due() == Tally(sent=1)
    (request,) = api.requests
    sent = {leaf for leaf in leaves(request.data) if "@example.com" in str(leaf)}
    told = {str(leaf) for leaf in sent if "token=" not in leaf}
    assert told
    # For some providers anymail before 14 quotes twice, which is still a single mailbox.
    doubled = {'"\\"a,b\\""@example.com'} if OLD else set()
    assert told <= {'"a,b"@example.com'} | doubled
    assert delivery.confirmation


@pytest.mark.skipif("scaleway" not in HERE, reason="this anymail does not have it")
def test_an_address_that_the_provider_does_not_support(settings, api):
    """Only the message to that address fails, with the reason."""
    use(settings, "scaleway", api.url)
    api.answer = PROVIDERS["scaleway"].accepts
    umlaut = queued(UserFactory.create(email="jürgen@example.com"))
    other = queued(UserFactory.create(email="other@example.com"))
    assert send_due() == Tally(sent=1, unsent=1)
    umlaut.refresh_from_db()
    assert (umlaut.state, umlaut.reason) == (DeliveryState.FAILED, Reason.UNSUPPORTED)
    other.refresh_from_db()
    assert other.state == DeliveryState.SENT


@pytest.mark.parametrize("address", ["a,b@example.com", "a@example.com,b@example.com", "a,b"])
def test_two_addresses_are_none(address):
    """A string that could be parsed as two addresses is refused; no message is queued."""
    with pytest.raises(ValueError, match="not an address"):
        start(UserFactory.create(email=address))
    assert not Delivery.objects.exists()


def test_no_user_text_in_a_header(provider, api, pending):
    """No header or variable contains the user name or the caller's input."""
    pending.username = "evil\r\nBcc: evil@example.com"
    pending.first_name = pending.last_name = "evil"
    pending.save()
    delivery = queued(pending)
    Delivery.objects.update(client_state="evil", payload="evil", redirect="evil")
    send_due()
    (request,) = api.requests
    assert "evil" not in f"{request.headers}"
    assert readable(request.data, delivery) is not None
    told = [leaf for leaf in leaves(request.data) if "token=" not in str(leaf)]
    assert "evil" not in str(told)


KEYS = {
    "brevo": lambda request: request.data["headers"]["idempotencyKey"],
    "resend": lambda request: request.headers["Idempotency-Key"],
    "unisender_go": lambda request: request.data["message"]["idempotence_key"],
}


@pytest.mark.parametrize("name", sorted(KEYS))
def test_idempotency_key(name, settings, api, pending, clock):
    """All attempts to send a message have the same key, a UUID; other messages have another."""
    use(settings, name, api.url)
    api.answer = Answer(500, {"message": "Try again"})
    queued(pending)
    send_due()
    clock.move(minutes=1)
    api.answer = PROVIDERS[name].accepts
    send_due()
    queued(UserFactory.create())
    send_due()
    first, second, other = (KEYS[name](request) for request in api.requests)
    assert re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", first)
    assert first == second
    assert other != first


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (
            "brevo",
            Answer(400, {"code": "duplicate_request", "message": "Idempotency key was used"}),
        ),
        (
            "resend",
            Answer(
                409,
                {
                    "statusCode": 409,
                    "name": "invalid_idempotent_request",
                    "message": "This idempotency key has been used with another body",
                },
            ),
        ),
    ],
)
def test_a_key_that_the_provider_knows(name, answer, settings, api, pending):
    """If the provider already knows the key, the message counts as sent."""
    use(settings, name, api.url)
    api.answer = answer
    delivery = queued(pending)
    assert send_due() == Tally(sent=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.provider_id) == (DeliveryState.SENT, "")


def test_a_batch_shares_the_connection(provider, api, settings):
    """All messages of a batch are sent over one TCP connection."""
    peers = set()

    def note(handler):
        peers.add(handler.client_address)
        api.answer = PROVIDERS[provider].accepts
        api.reply(handler)
        api.answer = note

    api.answer = note
    for _ in range(3):
        queued(UserFactory.create())
    send_due()
    assert len(api.requests) == 3
    assert len(peers) == 1


# Responses of providers


def text(status, words):
    return Answer(status, words.encode(), {"Content-Type": "text/plain"})


NOT_ACCEPTED = [
    ("brevo", Answer(429, {"code": "too_many_requests", "message": "Wait"})),
    ("mailgun", text(500, "Internal Server Error")),
    ("mailgun", text(502, "Bad Gateway")),
    ("mandrill", Answer(500, {"status": "error", "code": -1, "name": "GeneralError"})),
    ("postmark", Answer(429, {"ErrorCode": 429, "Message": "Rate limit exceeded"})),
    ("postmark", text(503, "Service Unavailable")),
    (
        "resend",
        Answer(429, {"statusCode": 429, "name": "rate_limit_exceeded", "message": "Slower"}),
    ),
    (
        "resend",
        Answer(
            409,
            {
                "statusCode": 409,
                "name": "concurrent_idempotent_requests",
                "message": "Another request with this key is in progress",
            },
        ),
    ),
    ("sendgrid", Answer(429, {"errors": [{"field": None, "message": "too many requests"}]})),
]
CONFIGURATION = [
    ("brevo", Answer(401, {"code": "unauthorized", "message": "Key not found"})),
    ("brevo", Answer(402, {"code": "not_enough_credits", "message": "Buy more"})),
    ("mailgun", text(401, "Forbidden")),
    ("mailgun", Answer(404, {"message": "Domain not found: site.example"})),
    (
        "postmark",
        Answer(
            401,
            {
                "ErrorCode": 10,
                "Message": "No Account or Server API tokens were supplied in the HTTP headers.",
            },
        ),
    ),
    (
        "resend",
        Answer(
            403,
            {
                "statusCode": 403,
                "name": "validation_error",
                "message": "The site.example domain is not verified.",
            },
        ),
    ),
    (
        "sendgrid",
        Answer(
            401,
            {
                "errors": [
                    {
                        "message": "The provided authorization grant is invalid",
                        "field": None,
                        "help": None,
                    }
                ]
            },
        ),
    ),
    ("sendgrid", Answer(403, {"errors": [{"message": "access forbidden", "field": None}]})),
]
REFUSED = [
    ("brevo", Answer(400, {"code": "invalid_parameter", "message": "email is not valid in to"})),
    ("mailgun", Answer(400, {"message": "to parameter is not a valid address."})),
    (
        "mandrill",
        Answer(
            200,
            [
                {
                    "email": "pending@example.com",
                    "status": "rejected",
                    "_id": "abc123abc123abc123abc123abc123",
                    "reject_reason": "hard-bounce",
                }
            ],
        ),
    ),
    (
        "postmark",
        Answer(
            422,
            {
                "ErrorCode": 406,
                "Message": "You tried to send to a recipient that has been marked as inactive.\n"
                "Found inactive addresses: pending@example.com.\n"
                "Inactive recipients are ones that have generated a hard bounce or a spam"
                " complaint. ",
            },
        ),
    ),
    (
        "postmark",
        Answer(422, {"ErrorCode": 300, "Message": "Invalid 'To' address: 'pending@example.com'."}),
    ),
    (
        "resend",
        Answer(
            422,
            {"statusCode": 422, "name": "validation_error", "message": "Invalid `to` field."},
        ),
    ),
    ("sendgrid", Answer(400, {"errors": [{"message": "Bad Request", "field": "to"}]})),
    (
        "unisender_go",
        Answer(
            200,
            {
                "status": "success",
                "job_id": "1ZymBc-00041N-9X",
                "emails": [],
                "failed_emails": {"pending@example.com": "permanent_unavailable"},
            },
        ),
    ),
]


def outcomes(*cases):
    """Parametrize a test by provider and response."""
    return pytest.mark.parametrize(
        ("name", "answer"), cases, ids=[f"{name}-{answer.status}" for name, answer in cases]
    )


def after(settings, api, name, answer, pending):
    """Make one attempt, with this response, and return the delivery."""
    use(settings, name, api.url)
    api.answer = answer
    delivery = queued(pending)
    assert send_due().sent == 0
    assert len(api.requests) == 1
    delivery.refresh_from_db()
    return delivery


@outcomes(*NOT_ACCEPTED)
def test_not_accepted(name, answer, settings, api, pending, clock):
    """After a rate limit or server error the message is retried, and the code is stored."""
    delivery = after(settings, api, name, answer, pending)
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NOT_ACCEPTED)
    assert (delivery.attempts, delivery.doubts) == (1, 0)
    assert delivery.error_code == str(answer.status)
    assert (delivery.not_before - clock.now).total_seconds() >= 30


@outcomes(*CONFIGURATION)
def test_configuration(name, answer, settings, api, pending):
    """Wrong keys and domains pause sending without using up an attempt."""
    queued(UserFactory.create())
    delivery = after(settings, api, name, answer, pending)
    first = Delivery.objects.exclude(pk=delivery.pk).get()
    assert (first.state, first.reason) == (DeliveryState.QUEUED, Reason.CONFIGURATION)
    assert (first.attempts, first.error_code) == (0, str(answer.status))
    assert (delivery.state, delivery.reason, delivery.attempts) == ("queued", "", 0)
    assert pause.paused_by() == first
    assert send_due() == Tally(paused=True)
    assert len(api.requests) == 1


@outcomes(*REFUSED)
def test_refused(name, answer, settings, api, pending):
    """A permanent refusal fails the delivery, with reason and error class."""
    delivery = after(settings, api, name, answer, pending)
    assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, Reason.REFUSED)
    assert delivery.error_class in {"AnymailRequestsAPIError", "AnymailRecipientsRefused"}
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.FAILED


def hang(api):
    """Return a handler that does not respond until the test is over."""
    return lambda handler: api.over.wait(30)


def drop(handler):
    """Close the connection without a response."""
    handler.close_connection = True


def break_off(handler):
    """Close the connection in the middle of the response."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b'{"id": ')
    handler.close_connection = True


def mumble(handler):
    """Respond with a success that anymail cannot parse."""
    body = b"<html>OK</html>"
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.parametrize("name", ["brevo", "mailgun", "postmark", "resend"])
@pytest.mark.parametrize("fault", ["hang", "drop", "break_off", "mumble"])
def test_ambiguous(name, fault, settings, api, pending, clock):
    """Without a readable response the request is repeated once; then the state is unknown."""
    use(settings, name, api.url, REQUESTS_TIMEOUT=0.3)
    api.answer = {"hang": hang(api), "drop": drop, "break_off": break_off, "mumble": mumble}[fault]
    delivery = queued(pending)
    send_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.DOUBTFUL)
    assert delivery.doubts == 1
    clock.move(minutes=1)
    send_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.UNKNOWN, Reason.DOUBTFUL)
    first, second = (readable(request.data, delivery) for request in api.requests)
    assert first == second == SENT[name][1]
    clock.move(days=1)
    assert send_due() == Tally()


# No connection


def refusing(settings, api, pending):
    """Use a port on which no server listens."""
    api.stop()
    use(settings, "postmark", api.url)


def nameless(settings, api, pending):
    """Use a host name that does not exist (RFC 6761)."""
    use(settings, "postmark", "http://api.invalid/")


@pytest.mark.parametrize("where", [refusing, nameless])
def test_never_connected(where, settings, api, pending):
    """If there was no connection, the attempt is not ambiguous."""
    where(settings, api, pending)
    delivery = queued(pending)
    send_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NOT_ACCEPTED)
    assert delivery.doubts == 0


@pytest.mark.parametrize(
    "given",
    [
        {"POSTMARK_API_URL": "not an address"},
        {"POSTMARK_SERVER_TOKEN": None},
    ],
    ids=["url", "key"],
)
def test_settings_that_cannot_work(given, settings, api, pending):
    """Invalid settings of the provider pause sending."""
    use(settings, "postmark", api.url, **given)
    if None in given.values():
        settings.ANYMAIL = {k: v for k, v in settings.ANYMAIL.items() if v is not None}
    delivery = queued(pending)
    assert send_due().paused
    delivery.refresh_from_db()
    assert (delivery.reason, delivery.attempts) == (Reason.CONFIGURATION, 0)


def test_a_sender_that_is_not_an_address(settings, api, pending, change):
    """An invalid FROM_EMAIL pauses sending, since it affects all messages."""
    use(settings, "postmark", api.url)
    change(FROM_EMAIL="the site")
    delivery = queued(pending)
    assert send_due().paused
    delivery.refresh_from_db()
    assert (delivery.reason, delivery.attempts) == (Reason.CONFIGURATION, 0)
    assert api.requests == []


def test_untrusted_certificate(settings, api, pending, tmp_path):
    """If the server's certificate is not trusted, nothing is transmitted and sending pauses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *args: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        use(settings, "postmark", f"https://127.0.0.1:{server.server_port}/")
        delivery = queued(pending)
        paused = send_due().paused
        server.shutdown()
        thread.join()
    assert paused
    delivery.refresh_from_db()
    assert (delivery.reason, delivery.attempts) == (Reason.CONFIGURATION, 0)


@pytest.mark.skipif(bool(find_spec("boto3")), reason="the provider's own package is installed")
def test_a_provider_whose_package_is_missing(settings, api, pending):
    """A backend whose package is not installed pauses sending."""
    use(settings, "amazon_ses", api.url)
    delivery = queued(pending)
    assert send_due().paused
    delivery.refresh_from_db()
    assert delivery.reason == Reason.CONFIGURATION
    assert delivery.error_class in {"AnymailImproperlyInstalled", "InvalidMailer"}


# The backend


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Django has MAILERS from 6.1 on")
class TestMailers:
    @pytest.fixture
    def mailers(self, settings, api):
        """Two mailers: the default one stores messages in memory, the other is a provider."""
        settings.MAILERS = {
            "default": {"BACKEND": LOCMEM},
            "transactional": {"BACKEND": "anymail.backends.postmark.EmailBackend"},
        }
        settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "token", "POSTMARK_API_URL": api.url}
        api.answer = PROVIDERS["postmark"].accepts

    def test_the_default(self, mailers, api, pending):
        """Without MAILER messages are sent through the default mailer."""
        queued(pending)
        assert send_due() == Tally(sent=1)
        assert (len(mail.outbox), len(api.requests)) == (1, 0)

    def test_another(self, mailers, api, pending, change):
        """Messages are sent through the mailer that MAILER names."""
        change(MAILER="transactional")
        queued(pending)
        assert send_due() == Tally(sent=1)
        assert (len(mail.outbox), len(api.requests)) == (0, 1)

    def test_one_that_is_not_there(self, mailers, pending, change):
        """A MAILER that is not in MAILERS pauses sending."""
        change(MAILER="nowhere")
        delivery = queued(pending)
        assert send_due().paused
        delivery.refresh_from_db()
        assert (delivery.reason, delivery.attempts) == (Reason.CONFIGURATION, 0)


@pytest.mark.skipif(django.VERSION >= (6, 1), reason="MAILERS takes the place of EMAIL_BACKEND")
def test_email_backend(settings, api, pending, change):
    """Before Django 6.1 EMAIL_BACKEND is used, regardless of MAILER."""
    change(MAILER="transactional")
    use(settings, "postmark", api.url)
    api.answer = PROVIDERS["postmark"].accepts
    queued(pending)
    assert send_due() == Tally(sent=1)
    assert len(api.requests) == 1

"""Delivery reports of mail providers, through anymail's webhooks."""

import hashlib
import hmac
import json
from base64 import b64encode
from itertools import permutations
from typing import Any

import pytest
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason, tracking
from django.utils import timezone

from resend_confirmation import start
from resend_confirmation.courier import Tally, send_due
from resend_confirmation.deliveries import claims
from resend_confirmation.email_backend import connection
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Suppression
from resend_confirmation.outcomes import DeliveryState, Reason
from resend_confirmation.signals import delivery_changed
from resend_confirmation.tracking import is_lasting

from .factories import UserFactory, address_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.anymail_urls"),
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailWarning"),
]

SECRET = "user:password"
SIGNING_KEY = "the webhook signing key"


@pytest.fixture(autouse=True)
def webhooks(settings, monkeypatch):
    """The settings of secured webhooks."""
    # Amazon's view needs boto3 when it is created, but not for events.
    boto3 = "anymail.webhooks.amazon_ses._get_anymail_boto3_params"
    monkeypatch.setattr(boto3, lambda **_: ({}, {}))
    settings.ANYMAIL = {
        "WEBHOOK_SECRET": SECRET,
        "MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY,
    }


def mailgun(data, key=SIGNING_KEY):
    """Return a signed event (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks)."""
    timestamp, token = "1534108637", "651869375b9df3c98fc15c4889b102119add1235c38fc92824"
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {
        "signature": {"timestamp": timestamp, "token": token, "signature": signature},
        "event-data": data,
    }


MAILGUN_MESSAGE = {
    "headers": {
        "to": "pending@example.com",
        "message-id": "20180812211713.1.DF5966851B4BAA99@site.example",
        "from": "site@site.example",
        "subject": "Please confirm your e-mail address for site.example",
    },
    "attachments": [],
    "size": 809,
}
SES_MAIL = {
    "timestamp": "2016-01-27T14:59:38.237Z",
    "source": "site@site.example",
    "messageId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
    "destination": ["pending@example.com"],
    "headersTruncated": False,
    "headers": [
        {"name": "From", "value": "site@site.example"},
        {"name": "To", "value": "pending@example.com"},
        {"name": "X-Tag", "value": "confirmation"},
        {"name": "X-Metadata", "value": '{"delivery": "PK"}'},
    ],
}
RESEND_DATA = {
    "created_at": "2023-10-02T18:11:25.729Z",
    "email_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "from": "site@site.example",
    "subject": "Please confirm your e-mail address for site.example",
    "to": ["pending@example.com"],
    "headers": [
        {"name": "X-Metadata", "value": '{"delivery": "PK"}'},
        {"name": "X-Tags", "value": '["confirmation"]'},
    ],
}
#: The message's id at each provider.
PROVIDER_IDS = {
    "postmark": "2706ee8a-737c-4285-b032-ccd317af53ed",
    "sendgrid": "de212213-bb66-4302-8f3f-20acdb7a104e",
    "mailgun": "<20180812211713.1.DF5966851B4BAA99@site.example>",
    "brevo": "<201803011158.9876543210@smtp-relay.mailin.example>",
    "resend": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "amazon_ses": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
}
#: Recorded events. PK stands for the primary key of our delivery.
EVENTS: dict[str, dict[str, Any]] = {
    "postmark": {
        "delivered": {
            "RecordType": "Delivery",
            "ServerID": 23,
            "MessageStream": "outbound",
            "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
            "Recipient": "pending@example.com",
            "Tag": "confirmation",
            "Metadata": {"delivery": "PK"},
            "DeliveredAt": "2014-08-01T13:28:10.2735393-04:00",
            "Details": "Test delivery webhook details",
        },
        "hard": {
            "RecordType": "Bounce",
            "ID": 901542550,
            "Type": "HardBounce",
            "TypeCode": 1,
            "ServerID": 23,
            "Name": "Hard bounce",
            "MessageStream": "outbound",
            "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
            "Metadata": {"delivery": "PK"},
            "Tag": "confirmation",
            "Description": "The server was unable to deliver your message (ex: unknown user,"
            " mailbox not found).",
            "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
            "Email": "pending@example.com",
            "From": "site@site.example",
            "BouncedAt": "2016-04-27T16:28:50.3963933-04:00",
            "DumpAvailable": True,
            "Inactive": True,
            "CanActivate": True,
            "Subject": "Please confirm your e-mail address for site.example",
        },
        "soft": {
            "RecordType": "Bounce",
            "ID": 901542551,
            "Type": "SoftBounce",
            "TypeCode": 4096,
            "ServerID": 23,
            "Name": "Soft bounce",
            "MessageStream": "outbound",
            "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
            "Metadata": {"delivery": "PK"},
            "Tag": "confirmation",
            "Description": "Unable to temporarily deliver message (e.g. mailbox full, account"
            " disabled, exceeds quota, out of disk space).",
            "Details": "smtp;552 5.2.2 The email account that you tried to reach is over quota.",
            "Email": "pending@example.com",
            "From": "site@site.example",
            "BouncedAt": "2016-04-27T16:28:50.3963933-04:00",
            "DumpAvailable": True,
            "Inactive": False,
            "CanActivate": True,
            "Subject": "Please confirm your e-mail address for site.example",
        },
        "complained": {
            "RecordType": "SpamComplaint",
            "ID": 901542552,
            "Type": "SpamComplaint",
            "TypeCode": 512,
            "Name": "Spam complaint",
            "Tag": "confirmation",
            "MessageStream": "outbound",
            "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
            "Metadata": {"delivery": "PK"},
            "ServerID": 1234,
            "Description": "",
            "Details": "Test spam complaint details",
            "Email": "pending@example.com",
            "From": "site@site.example",
            "BouncedAt": "2016-04-27T16:28:50.3963933-04:00",
            "DumpAvailable": True,
            "Inactive": True,
            "CanActivate": False,
            "Subject": "Please confirm your e-mail address for site.example",
        },
        "rejected": {
            "RecordType": "Bounce",
            "ID": 901542553,
            "Type": "Blocked",
            "TypeCode": 100006,
            "ServerID": 23,
            "Name": "ISP block",
            "MessageStream": "outbound",
            "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
            "Metadata": {"delivery": "PK"},
            "Tag": "confirmation",
            "Description": "Blocked from this ISP due to content or blacklisting.",
            "Details": "smtp;550 5.7.1 Blocked by policy",
            "Email": "pending@example.com",
            "From": "site@site.example",
            "BouncedAt": "2016-04-27T16:28:50.3963933-04:00",
            "DumpAvailable": True,
            "Inactive": False,
            "CanActivate": True,
            "Subject": "Please confirm your e-mail address for site.example",
        },
    },
    "sendgrid": {
        "delivered": [
            {
                "ip": "167.89.17.173",
                "response": "250 2.0.0 OK 1461095248 m143si2210036ioe.159 - gsmtp ",
                "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.example>",
                "sg_event_id": "nOSv8m0eTQ-vxvwNwt3fZQ",
                "sg_message_id": "wrfRRvF7Q0GgwUo2CvDmEA.filter0425p1mdw1.13037.57168B4A1D.0",
                "tls": 1,
                "event": "delivered",
                "email": "pending@example.com",
                "category": ["confirmation"],
                "timestamp": 1461095250,
                "anymail_id": "de212213-bb66-4302-8f3f-20acdb7a104e",
                "delivery": "PK",
            }
        ],
        "hard": [
            {
                "ip": "167.89.17.173",
                "status": "5.1.1",
                "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.example>",
                "sg_event_id": "lC0Rc-FuQmKbnxCWxX1jRQ",
                "reason": "550 5.1.1 The email account that you tried to reach does not exist.",
                "sg_message_id": "Lli-03HcQ5-JLybO9fXsJg.filter0077p1las1.21536.5717FC482.0",
                "tls": 1,
                "event": "bounce",
                "email": "pending@example.com",
                "category": ["confirmation"],
                "timestamp": 1461095250,
                "anymail_id": "de212213-bb66-4302-8f3f-20acdb7a104e",
                "delivery": "PK",
                "type": "bounce",
            }
        ],
        "soft": [
            {
                "ip": "167.89.17.173",
                "status": "5.7.1",
                "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.example>",
                "sg_event_id": "lC0Rc-FuQmKbnxCWxX1jRR",
                "reason": "550 5.7.1 Message rejected for today",
                "sg_message_id": "Lli-03HcQ5-JLybO9fXsJg.filter0077p1las1.21536.5717FC482.0",
                "tls": 1,
                "event": "bounce",
                "email": "pending@example.com",
                "category": ["confirmation"],
                "timestamp": 1461095250,
                "anymail_id": "de212213-bb66-4302-8f3f-20acdb7a104e",
                "delivery": "PK",
                "type": "blocked",
            }
        ],
        "complained": [
            {
                "event": "spamreport",
                "email": "pending@example.com",
                "category": ["confirmation"],
                "timestamp": 1513299569,
                "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
                "sg_event_id": "37nvH5QBz858KGVYCM4uOA==",
                "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
                "anymail_id": "de212213-bb66-4302-8f3f-20acdb7a104e",
                "delivery": "PK",
            }
        ],
        "rejected": [
            {
                "email": "pending@example.com",
                "timestamp": 1461095250,
                "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.example>",
                "sg_event_id": "3NPOePGOTkeM_U3fgWApfg",
                "sg_message_id": "filter0093p1las1.9128.5717FB8127.0",
                "category": ["confirmation"],
                "anymail_id": "de212213-bb66-4302-8f3f-20acdb7a104e",
                "delivery": "PK",
                "reason": "Spam Content",
                "event": "dropped",
            }
        ],
    },
    "mailgun": {
        "delivered": {
            "tags": ["confirmation"],
            "timestamp": 1534108637.153125,
            "recipient-domain": "example.com",
            "id": "hTWCTD81RtiDN-",
            "campaigns": [],
            "user-variables": {"delivery": "PK"},
            "flags": {
                "is-routed": False,
                "is-authenticated": True,
                "is-system-test": False,
                "is-test-mode": False,
            },
            "log-level": "info",
            "envelope": {
                "sending-ip": "192.0.2.200",
                "sender": "site@site.example",
                "transport": "smtp",
                "targets": "pending@example.com",
            },
            "message": MAILGUN_MESSAGE,
            "recipient": "pending@example.com",
            "event": "delivered",
            "delivery-status": {
                "tls": True,
                "mx-host": "smtp-in.example.com",
                "attempt-no": 1,
                "description": "",
                "session-seconds": 3.5700838565826416,
                "utf8": True,
                "code": 250,
                "message": "OK",
                "certificate-verified": True,
            },
        },
        "hard": {
            "tags": ["confirmation"],
            "event": "failed",
            "severity": "permanent",
            "reason": "bounce",
            "recipient": "pending@example.com",
            "timestamp": 1534110422.389832,
            "log-level": "error",
            "user-variables": {"delivery": "PK"},
            "message": MAILGUN_MESSAGE,
            "delivery-status": {
                "tls": True,
                "mx-host": "aspmx.l.example.org",
                "attempt-no": 1,
                "description": "",
                "session-seconds": 2.952177047729492,
                "utf8": True,
                "code": 550,
                "message": "5.1.1 The email account that you tried to reach does not exist."
                " Please try\n5.1.1 double-checking the recipient's email address for typos",
                "certificate-verified": True,
            },
        },
        "soft": {
            "tags": ["confirmation"],
            "event": "failed",
            "severity": "permanent",
            "reason": "bounce",
            "recipient": "pending@example.com",
            "timestamp": 1534110422.389832,
            "log-level": "error",
            "user-variables": {"delivery": "PK"},
            "message": MAILGUN_MESSAGE,
            "delivery-status": {
                "tls": True,
                "mx-host": "aspmx.l.example.org",
                "attempt-no": 1,
                "description": "",
                "session-seconds": 2.952177047729492,
                "utf8": True,
                "code": 552,
                "message": "5.2.2 The email account that you tried to reach is over quota.",
                "certificate-verified": True,
            },
        },
        "complained": {
            "tags": ["confirmation"],
            "event": "complained",
            "recipient": "pending@example.com",
            "timestamp": 1521233123.501324,
            "log-level": "warn",
            "user-variables": {"delivery": "PK"},
            "message": MAILGUN_MESSAGE,
        },
        "rejected": {
            "tags": ["confirmation"],
            "event": "rejected",
            "timestamp": 1529704976.104692,
            "log-level": "warn",
            "user-variables": {"delivery": "PK"},
            "reject": {
                "reason": "Sandbox subdomains are for test purposes only.",
                "description": "",
            },
            "message": MAILGUN_MESSAGE,
        },
    },
    "brevo": {
        "delivered": {
            "event": "delivered",
            "email": "pending@example.com",
            "id": 9999999,
            "ts_epoch": 1520363423000,
            "message-id": "<201803011158.9876543210@smtp-relay.mailin.example>",
            "X-Mailin-custom": '{"delivery": "PK"}',
            "tags": ["confirmation"],
        },
        "hard": {
            "event": "hard_bounce",
            "email": "pending@example.com",
            "id": 9999999,
            "ts_epoch": 1520363423000,
            "message-id": "<201803011158.9876543210@smtp-relay.mailin.example>",
            "reason": " RecipientError: 550 5.5.0 Requested action not taken: mailbox unavailable.",
            "X-Mailin-custom": '{"delivery": "PK"}',
            "tags": ["confirmation"],
        },
        "soft": {
            "event": "soft_bounce",
            "email": "pending@example.com",
            "id": 9999999,
            "ts_epoch": 1520363423000,
            "message-id": "<201803011158.9876543210@smtp-relay.mailin.example>",
            "reason": "undefined Unable to find MX of domain example.com",
            "X-Mailin-custom": '{"delivery": "PK"}',
            "tags": ["confirmation"],
        },
        "complained": {
            "event": "spam",
            "email": "pending@example.com",
            "id": 9999999,
            "ts_epoch": 1520363423000,
            "message-id": "<201803011158.9876543210@smtp-relay.mailin.example>",
            "X-Mailin-custom": '{"delivery": "PK"}',
            "tags": ["confirmation"],
        },
        "rejected": {
            "event": "blocked",
            "email": "pending@example.com",
            "id": 9999999,
            "ts_epoch": 1520363423000,
            "message-id": "<201803011158.9876543210@smtp-relay.mailin.example>",
            "reason": "blocked : due to blacklist user",
            "X-Mailin-custom": '{"delivery": "PK"}',
            "tags": ["confirmation"],
        },
    },
    "resend": {
        "delivered": {
            "created_at": "2023-10-02T18:11:26.101Z",
            "data": RESEND_DATA,
            "type": "email.delivered",
        },
        "hard": {
            "created_at": "2023-10-02T18:11:26.101Z",
            "data": RESEND_DATA
            | {
                "bounce": {
                    "message": "The recipient's email provider sent a hard bounce message, but"
                    " didn't specify the reason for the hard bounce.",
                    "subType": "General",
                    "type": "Permanent",
                }
            },
            "type": "email.bounced",
        },
        "soft": {
            "created_at": "2023-10-02T18:11:26.101Z",
            "data": RESEND_DATA
            | {
                "bounce": {
                    "message": "The recipient's email provider sent a bounce message because the"
                    " recipient's inbox was full.",
                    "subType": "MailboxFull",
                    "type": "Transient",
                }
            },
            "type": "email.bounced",
        },
        "complained": {
            "created_at": "2023-10-02T18:11:26.101Z",
            "data": RESEND_DATA,
            "type": "email.complained",
        },
        "rejected": {
            "created_at": "2023-10-02T18:11:26.101Z",
            "data": RESEND_DATA
            | {
                "bounce": {
                    "message": "Resend has suppressed sending to this address because it is on"
                    " the account-level suppression list. This does not count toward your bounce"
                    " rate metric"
                }
            },
            "type": "email.bounced",
        },
    },
    "amazon_ses": {
        "delivered": {
            "eventType": "Delivery",
            "mail": SES_MAIL,
            "delivery": {
                "timestamp": "2016-01-27T14:59:38.237Z",
                "recipients": ["pending@example.com"],
                "processingTimeMillis": 546,
                "reportingMTA": "a8-70.smtp-out.amazonses.example",
                "smtpResponse": "250 ok:  Message 64111812 accepted",
                "remoteMtaIp": "192.0.2.0",
            },
        },
        "hard": {
            "eventType": "Bounce",
            "mail": SES_MAIL,
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "reportingMTA": "dns; email.example.com",
                "bouncedRecipients": [
                    {
                        "emailAddress": "pending@example.com",
                        "status": "5.1.1",
                        "action": "failed",
                        "diagnosticCode": "smtp; 550 5.1.1 <pending@example.com>... User unknown",
                    }
                ],
                "timestamp": "2016-01-27T14:59:44.101Z",
                "feedbackId": "00000138111222aa-44455566-cccc-cccc-cccc-ddddaaaa068a-000000",
                "remoteMtaIp": "192.0.2.0",
            },
        },
        "soft": {
            "eventType": "Bounce",
            "mail": SES_MAIL,
            "bounce": {
                "bounceType": "Transient",
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": "pending@example.com"}],
                "timestamp": "2016-01-27T14:59:44.101Z",
                "feedbackId": "00000138111222aa-44455566-cccc-cccc-cccc-ddddaaaa068b-000000",
            },
        },
        "complained": {
            "eventType": "Complaint",
            "mail": SES_MAIL,
            "complaint": {
                "userAgent": "AnyCompany Feedback Loop (V0.01)",
                "complainedRecipients": [{"emailAddress": "pending@example.com"}],
                "complaintFeedbackType": "abuse",
                "arrivalDate": "2016-01-27T14:59:38.237Z",
                "timestamp": "2016-01-27T14:59:38.237Z",
                "feedbackId": "000001378603177f-18c07c78-fa81-4a58-9dd1-fedc3cb8f49a-000000",
            },
        },
        "rejected": {
            "eventType": "Reject",
            "mail": SES_MAIL,
            "reject": {"reason": "Bad content"},
        },
    },
}


def numbered(value, pk):
    """Replace PK in a recorded event."""
    if isinstance(value, dict):
        return {key: numbered(one, pk) for key, one in value.items()}
    if isinstance(value, list):
        return [numbered(one, pk) for one in value]
    return value.replace("PK", str(pk)) if isinstance(value, str) else value


def post(client, provider, data, secret=SECRET, **headers):
    """Post an event to the webhook as the provider does, and return the response."""
    if provider == "mailgun" and "signature" not in data:
        data = mailgun(data)
    if provider == "amazon_ses":
        message_id = "19ba9823-d7f2-53c1-860e-cb10e0d13dfc"
        headers |= {
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": message_id,
        }
        data = {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": "arn:aws:sns:us-east-1:1234567890:SES_Events",
            "Subject": "Amazon SES Email Event Notification",
            "Message": f"{json.dumps(data)}\n",
            "Timestamp": "2018-03-26T17:58:59.675Z",
            "SignatureVersion": "1",
        }
    if secret:
        headers["Authorization"] = f"Basic {b64encode(secret.encode()).decode()}"
    return client.post(
        f"/anymail/{provider}/tracking/",
        json.dumps(data),
        content_type="application/json",
        headers=headers,
    )


def report(client, provider, kind, delivery):
    """Post a recorded event about ``delivery``, and return the updated delivery."""
    response = post(client, provider, numbered(EVENTS[provider][kind], delivery.pk))
    assert response.status_code == 200
    delivery.refresh_from_db()
    return delivery


def sent(user, provider):
    """Send a message to ``user``, with an id of ``provider``, and return the delivery."""
    start(user)
    assert send_due() == Tally(sent=1)
    Delivery.objects.update(provider_id=PROVIDER_IDS[provider])
    return Delivery.objects.latest("pk")


def suppressions():
    return [str(why) for why in Suppression.objects.values_list("why", flat=True)]


providers = pytest.mark.parametrize("provider", sorted(EVENTS))

EXPECTED = {
    "delivered": (DeliveryState.DELIVERED, Reason.NONE, []),
    "hard": (DeliveryState.BOUNCED, Reason.BOUNCED, ["bounced"]),
    "soft": (DeliveryState.BOUNCED, Reason.BOUNCED, []),
    "complained": (DeliveryState.COMPLAINED, Reason.COMPLAINED, ["complained"]),
    "rejected": (DeliveryState.BOUNCED, Reason.REFUSED, []),
}


@providers
@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_events(provider, kind, client, pending, clock):
    """An event updates its delivery; only a hard bounce or complaint suppresses the address."""
    state, reason, suppressed = EXPECTED[kind]
    if (provider, kind) == ("resend", "rejected"):
        # Resend reports a message that it did not send as bounced.
        reason = Reason.BOUNCED
    delivery = report(client, provider, kind, sent(pending, provider))
    assert (delivery.state, delivery.reason) == (state, reason)
    assert delivery.ended_at == clock.now
    assert Confirmation.objects.get().last_delivery_state == state
    assert suppressions() == suppressed


@providers
@pytest.mark.database
def test_by_the_providers_id_alone(provider, client, pending):
    """An event without metadata finds its delivery by the provider's id."""
    delivery = sent(pending, provider)
    stripped = json.loads(json.dumps(EVENTS[provider]["delivered"]).replace("PK", ""))
    assert post(client, provider, stripped).status_code == 200
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DELIVERED


@providers
@pytest.mark.parametrize("secret", [None, "user:wrong"])
def test_without_the_secret(provider, secret, client, pending):
    """A request without the secret is refused and changes nothing."""
    delivery = sent(pending, provider)
    data = numbered(EVENTS[provider]["complained"], delivery.pk)
    assert post(client, provider, data, secret).status_code in {400, 401}
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT
    assert suppressions() == []


def test_an_address_that_was_spoilt(client, pending):
    """A complaint is stored even if the confirmation's address is now invalid."""
    delivery = sent(pending, "mailgun")
    Confirmation.objects.update(address="no address at all")
    assert report(client, "mailgun", "complained", delivery).state == DeliveryState.COMPLAINED
    assert suppressions() == []


def test_a_wrong_signature(client, pending):
    """A request with the secret but a wrong signature is refused as well."""
    delivery = sent(pending, "mailgun")
    data = mailgun(numbered(EVENTS["mailgun"]["complained"], delivery.pk), "another key")
    assert post(client, "mailgun", data).status_code == 400
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT


@providers
def test_twice(provider, client, pending, clock):
    """A repeated report changes nothing and sends no signal."""
    delivery = report(client, provider, "hard", sent(pending, provider))
    before = Delivery.objects.values().get()
    told = []
    delivery_changed.connect(lambda **given: told.append(given), weak=False, dispatch_uid="twice")
    clock.move(hours=1)
    report(client, provider, "hard", delivery)
    delivery_changed.disconnect(dispatch_uid="twice")
    assert Delivery.objects.values().get() == before
    assert suppressions() == ["bounced"]
    assert told == []


@providers
@pytest.mark.parametrize(
    "kinds", list(permutations(["delivered", "hard", "complained"])), ids="-".join
)
def test_any_order(provider, kinds, client, pending):
    """After delivered, bounced and complained in any order, the state is complained."""
    delivery = sent(pending, provider)
    for kind in kinds:
        report(client, provider, kind, delivery)
    assert (delivery.state, delivery.reason) == (DeliveryState.COMPLAINED, Reason.COMPLAINED)
    assert Confirmation.objects.get().last_delivery_state == DeliveryState.COMPLAINED
    assert len(suppressions()) == 1


@pytest.mark.parametrize("kinds", [("delivered", "hard"), ("hard", "delivered")], ids="-".join)
def test_a_bounce_stays(kinds, client, pending):
    """After bounced and delivered in any order, the state is bounced."""
    delivery = sent(pending, "postmark")
    for kind in kinds:
        report(client, "postmark", kind, delivery)
    assert delivery.state == DeliveryState.BOUNCED


@providers
def test_unknown_messages(provider, client, pending):
    """An event about an unknown message is accepted and ignored."""
    delivery = sent(pending, provider)
    Delivery.objects.update(provider_id="another")
    for pk in ("", "0", "-1", "x", "\u0663", "9" * 18, "9" * 400, delivery.pk + 1):
        data = numbered(EVENTS[provider]["complained"], pk)
        assert post(client, provider, data).status_code == 200
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT
    assert suppressions() == []


@providers
def test_metadata_of_another_message(provider, client, pending):
    """The primary key is not enough: the provider's id or the recipient must match."""
    other = sent(UserFactory.create(), provider)
    Delivery.objects.update(provider_id="another")
    report(client, provider, "complained", other)
    assert other.state == DeliveryState.SENT
    Delivery.objects.update(provider_id="")
    report(client, provider, "complained", other)
    assert other.state == DeliveryState.SENT
    assert suppressions() == []


def test_number_and_recipient_of_another_site(client, pending):
    """If the provider's id differs, primary key and recipient are not enough."""
    delivery = sent(pending, "postmark")
    Delivery.objects.update(provider_id="ours")
    report(client, "postmark", "complained", delivery)
    assert delivery.state == DeliveryState.SENT
    assert suppressions() == []


@providers
def test_before_the_mark(provider, client, pending, clock):
    """A report that arrives before the courier has stored its result is kept."""
    start(pending)
    claim = claims.claim("courier")
    assert claim
    delivery = report(client, provider, "delivered", claim.delivery)
    assert (delivery.state, delivery.lease_owner) == (DeliveryState.DELIVERED, "")
    assert not claims.mark(claim, DeliveryState.SENT)
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DELIVERED


@pytest.mark.database
def test_the_whole_race(client, pending, settings, monkeypatch):
    """If the report arrives during the send, its state is kept and the message is counted once."""
    start(pending)
    backend = "django.core.mail.backends.locmem.EmailBackend.send_messages"

    def send_and_report(self, messages):
        report(client, "postmark", "delivered", Delivery.objects.get())
        return 1

    monkeypatch.setattr(connection, "run_with_timeout", lambda _, work, **__: work())
    monkeypatch.setattr(backend, send_and_report)
    assert send_due() == Tally(sent=1)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.sent_at is None) == (DeliveryState.DELIVERED, False)
    confirmation = Confirmation.objects.get()
    assert (confirmation.sends, confirmation.last_delivery_state) == (1, DeliveryState.DELIVERED)


def test_a_report_settles_an_ambiguous_attempt(client, pending, clock):
    """An ambiguous message is not repeated if its report arrives."""
    start(pending)
    Delivery.objects.update(doubts=1, attempts=1, reason=Reason.DOUBTFUL)
    delivery = report(client, "postmark", "delivered", Delivery.objects.get())
    assert delivery.state == DeliveryState.DELIVERED
    assert send_due() == Tally()


def test_event_of_a_copy_with_an_unknown_id(client, pending):
    """After an ambiguous attempt another provider id is accepted if the recipient matches."""
    delivery = sent(pending, "postmark")
    Delivery.objects.update(doubts=1, provider_id="the second copy's")
    report(client, "postmark", "complained", delivery)
    assert delivery.state == DeliveryState.COMPLAINED


def test_a_queued_message_has_no_reports(client, pending):
    """A report about a message that was not sent is ignored."""
    start(pending)
    delivery = report(client, "postmark", "delivered", Delivery.objects.get())
    assert delivery.state == DeliveryState.QUEUED


@pytest.mark.parametrize("state", ["asked", "ignored", "failed", "abandoned", "suppressed"])
def test_ended_without_a_message(state, client, pending):
    """A report about a delivery without a message is ignored."""
    start(pending)
    Delivery.objects.update(state=state)
    delivery = report(client, "postmark", "complained", Delivery.objects.get())
    assert delivery.state == state


def test_a_suppression_stops_later_messages(client, pending):
    """After a hard bounce messages are suppressed, until the suppression is deleted."""
    report(client, "postmark", "hard", sent(pending, "postmark"))
    Cooldown.objects.all().delete()
    start(pending)
    assert send_due() == Tally(skipped=1)
    second = Delivery.objects.latest("pk")
    assert (second.state, second.reason) == (DeliveryState.SUPPRESSED, Reason.SUPPRESSED)
    Suppression.objects.all().delete()
    Cooldown.objects.all().delete()
    start(pending)
    assert send_due() == Tally(sent=1)


@pytest.mark.database
def test_a_suppression_holds_no_address(client, pending):
    """A suppression only contains the address's keyed digest."""
    report(client, "postmark", "hard", sent(pending, "postmark"))
    digest = address_of("pending@example.com").digest("suppression")
    assert Suppression.objects.values_list("digest", "detail").get() == (digest, "")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"mta_response": "550 5.1.1 <pending@example.com>: unknown"}, "550 5.1.1 ... unknown"),
        ({"description": "No mailbox 'pending'"}, "No mailbox '...'"),
        ({}, ""),
    ],
)
def test_the_reply_of_a_bounce(event, expected, pending):
    """A bounce keeps the reply of the mail server, or the provider's words, without addresses."""
    delivery = sent(pending, "postmark")
    bounce = AnymailTrackingEvent(
        event_type=EventType.BOUNCED,
        metadata={"delivery": str(delivery.pk)},
        message_id=PROVIDER_IDS["postmark"],
        **event,
    )
    tracking.send(None, event=bounce, esp_name="postmark")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_text) == ("bounced", expected)


def test_the_signal(client, pending, at_once):
    """Each change of state sends ``delivery_changed`` with the reason."""
    delivery = sent(pending, "postmark")
    told = []

    def listen(delivery_id, state, reason, **_):
        told.append((delivery_id, state, reason))

    delivery_changed.connect(listen)
    report(client, "postmark", "delivered", delivery)
    report(client, "postmark", "complained", delivery)
    delivery_changed.disconnect(listen)
    assert told == [
        (delivery.pk, DeliveryState.DELIVERED, Reason.NONE),
        (delivery.pk, DeliveryState.COMPLAINED, Reason.COMPLAINED),
    ]


@pytest.mark.parametrize("kind", ["opened", "clicked", "deferred", "queued", "unsubscribed"])
def test_events_of_no_interest(kind, pending, django_assert_num_queries):
    """Other events, such as opens and clicks, run no query."""
    delivery = sent(pending, "postmark")
    event = AnymailTrackingEvent(event_type=kind, metadata={"delivery": str(delivery.pk)})
    with django_assert_num_queries(0):
        tracking.send(object, event=event, esp_name="Postmark")


def test_events_without_an_id(pending):
    """An event without an id does not match a delivery without a provider's id."""
    delivery = sent(pending, "postmark")
    Delivery.objects.update(provider_id="")
    event = AnymailTrackingEvent(event_type="complained", message_id="", recipient=pending.email)
    tracking.send(object, event=event, esp_name="Postmark")
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT
    assert suppressions() == []


# Hard and soft bounces


@pytest.mark.parametrize(
    ("event", "lasting"),
    [
        # The provider's classification comes first.
        ({"esp_event": {"Type": "SoftBounce"}, "reject_reason": RejectReason.BOUNCED}, False),
        ({"esp_event": {"Type": "BadEmailAddress"}, "reject_reason": RejectReason.INVALID}, True),
        ({"esp_event": {"SuppressionReason": "HardBounce"}}, True),
        ({"esp_event": {"event": "invalid_email"}, "reject_reason": RejectReason.INVALID}, True),
        ({"esp_event": {"event": "soft_bounce"}, "mta_response": "550 5.1.1 nobody"}, False),
        ({"esp_event": {"type": "activity.soft_bounced"}, "reject_reason": "bounced"}, False),
        ({"esp_event": {"type": "activity.hard_bounced"}}, True),
        ({"esp_event": {"hard_bounce": False}, "reject_reason": RejectReason.BOUNCED}, False),
        ({"esp_event": {"hard_bounce": True}}, True),
        ({"esp_event": {"msys": {"message_event": {"bounce_class": "22"}}}}, False),
        ({"esp_event": {"msys": {"message_event": {"bounce_class": "10"}}}}, True),
        ({"esp_event": {"delivery_info": {"delivery_status": "err_mailbox_full"}}}, False),
        # Otherwise the status of the recipient's mail server (RFC 3463) decides.
        ({"mta_response": "smtp; 550 5.1.1 <a@example.com> User unknown"}, True),
        ({"mta_response": "5.1.10 RESOLVER.ADR.RecipientNotFound"}, True),
        ({"mta_response": "550-5.2.1 The account is disabled"}, True),
        ({"mta_response": "552 5.2.2 full", "reject_reason": RejectReason.BOUNCED}, False),
        ({"mta_response": "550 5.7.1 policy", "reject_reason": RejectReason.BOUNCED}, False),
        ({"mta_response": "450 4.1.1 try later", "reject_reason": RejectReason.BOUNCED}, False),
        ({"mta_response": "550 5.1.8 sender", "reject_reason": RejectReason.BOUNCED}, False),
        # An IP address or a version is not mistaken for a status.
        ({"mta_response": "connect to 5.1.1.7 failed"}, False),
        ({"mta_response": "mta 15.1.1 says no"}, False),
        # Otherwise anymail's classification decides.
        ({"reject_reason": RejectReason.BOUNCED}, True),
        ({"reject_reason": RejectReason.INVALID}, True),
        ({"reject_reason": RejectReason.BLOCKED}, False),
        ({"reject_reason": RejectReason.SPAM}, False),
        ({"reject_reason": RejectReason.TIMED_OUT}, False),
        ({}, False),
        # Values of unexpected types.
        ({"esp_event": {"Type": ["HardBounce"], "bounce": "Permanent", "data": None}}, False),
        ({"esp_event": ["HardBounce"]}, False),
    ],
    ids=str,
)
def test_lasting(event, lasting):
    """A bounce is hard according to the provider, the mail server's status or anymail."""
    assert is_lasting(AnymailTrackingEvent(event_type=EventType.BOUNCED, **event)) is lasting


def test_time_of_a_suppression(client, pending, clock):
    """A suppression has the time of the report."""
    report(client, "postmark", "hard", sent(pending, "postmark"))
    assert Suppression.objects.get().since == timezone.now() == clock.now

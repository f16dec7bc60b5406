"""``manage.py resend_confirmation show``: one person in a terminal."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from resend_confirmation.limits import cooldown
from resend_confirmation.models import Confirmation, Delivery, Suppression

from .factories import PendingFactory, UserFactory, address_of
from .test_command import Ran

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def ann(clock) -> Confirmation:
    """Ann, whose message bounced, with a suppression and a cooldown."""
    user: Any = PendingFactory(username="ann")
    values = {"client": "web", "language": "de", "selector": "5ec2e7" * 5}
    Confirmation.objects.update(**values)
    row = Confirmation.objects.get(account=user)
    digest = address_of("ann@example.com").digest("suppression")
    Suppression.objects.create(digest=digest, why="bounced", since=NOON)
    cooldown.take("ann@example.com")
    Delivery.objects.create(
        confirmation=row,
        state="bounced",
        reason="bounced",
        dialect="shop",
        client="web",
        token_digest="d19e57" * 10,
        client_state="the state",
        payload="the payload",
        error_text="550 5.1.1 no such user",
        asked_at=NOON,
        not_before=NOON,
        ended_at=NOON + timedelta(minutes=1),
    )
    return row


def test_a_person_in_text(ann):
    """The text has the account, the confirmation, the sentence and the deliveries."""
    assert Ran("show", "ann").lines == [
        "account ann: pending",
        "  address: ann@example.com",
        "  confirmation of ann@example.com: pending",
        (
            "    The address has been suppressed since 2030-01-01 12:00+00:00 "
            "(550 5.1.1 no such user)."
        ),
        "    client: web",
        "    language: de",
        "    requested at: 2030-01-01 12:00+00:00",
        "    dialect: shop",
        "    suppressed since: 2030-01-01 12:00+00:00",
        "    cooldown until: 2030-01-01 12:01+00:00",
        "    remedies: lift_and_resend, confirm",
        (
            "    delivery 2030-01-01 12:00+00:00: bounced, the recipient's mail server returned "
            "the message (bounce), 550 5.1.1 no such user"
        ),
    ]


def test_a_person_in_json(ann):
    """The JSON object has stable keys, and no secrets."""
    (line,) = Ran("show", "Ann@Example.com ", "--json").lines
    noon = "2030-01-01T12:00:00+00:00"
    assert json.loads(line) == {
        "account": "ann",
        "address": "ann@example.com",
        "is_active": True,
        "standing": "pending",
        "confirmations": [
            {
                "address": "ann@example.com",
                "state": "pending",
                "client": "web",
                "language": "de",
                "time_zone": "",
                "requested_at": noon,
                "confirmed_at": None,
                "disowned_at": None,
                "expires_at": None,
                "sends": 0,
                "last_sent_at": None,
                "dialect": "shop",
                "suppressed_since": noon,
                "cooldown_until": "2030-01-01T12:01:00+00:00",
                "explanation": "suppressed",
                "sentence": "The address has been suppressed since 2030-01-01 12:00+00:00 "
                "(550 5.1.1 no such user).",
                "remedies": ["lift_and_resend", "confirm"],
                "deliveries": [
                    {
                        "asked_at": noon,
                        "state": "bounced",
                        "reason": "bounced",
                        "dialect": "shop",
                        "client": "web",
                        "attempts": 0,
                        "not_before": noon,
                        "sent_at": None,
                        "ended_at": "2030-01-01T12:01:00+00:00",
                        "error_class": "",
                        "error_code": "",
                        "error_text": "550 5.1.1 no such user",
                        "message_id": "",
                        "provider_id": "",
                    }
                ],
            }
        ],
    }


def test_an_account_without_confirmation():
    """An account without a confirmation, deactivated and without an address, has its line."""
    UserFactory(username="ben", email="", is_active=False)
    assert Ran("show", "ben").lines == ["account ben: no valid address, deactivated"]


def test_a_former_address(ann):
    """An account is found by an address that it had before."""
    get_user_model().objects.update(email="ann@example.net")
    assert Ran("show", "ann@example.com").lines[:4] == [
        "account ann: pending",
        "  address: ann@example.net",
        "  confirmation of ann@example.com: pending",
        "    The message bounced on 2030-01-01 12:01+00:00 (550 5.1.1 no such user).",
    ]


def test_an_address_that_is_not_valid(ann):
    """A confirmation whose row and account have no valid address is shown too."""
    get_user_model().objects.update(email="")
    Confirmation.objects.update(address="nothing")
    assert "    The account no longer has this address." in Ran("show", "ann").lines


@pytest.mark.parametrize("identity", ["nobody@example.com", "nobody", " ", "a\x00b", "a" * 400])
def test_no_such_person(identity):
    """The exit code is 1 if the identity has no account; the message does not repeat it."""
    ran = Ran("show", identity)
    assert (ran.code, ran.lines) == (1, [])
    assert ran.complaint == "No account has this address or user name, or had this address."

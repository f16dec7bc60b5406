"""The sentence that says why a person has no message, and the button that helps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from resend_confirmation import redaction
from resend_confirmation.engine.explanation import Explanation, Kind, Remedy, explain
from resend_confirmation.engine.sentences import sentence
from resend_confirmation.limits import budget, cooldown
from resend_confirmation.models import Confirmation, Delivery, Suppression

from .factories import PendingFactory, address_of
from .test_admin import CONFIRMATIONS, press, root, said, staff

__all__ = ["root"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
RESEND = (Remedy.RESEND, Remedy.CONFIRM)
BY_HAND = (Remedy.CONFIRM,)
REPLY = "550 5.1.1 no such user"


def at(minutes: int) -> datetime:
    """Return the time some minutes after noon."""
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def ann(clock) -> Confirmation:
    """Ann's pending confirmation, without deliveries."""
    user: Any = PendingFactory(username="ann")
    return Confirmation.objects.get(account=user)


def add(confirmation: Confirmation, **values: Any) -> Delivery:
    """Create a delivery that was requested an hour ago and sent then, unless ``values`` differ."""
    given = {"state": "sent", "asked_at": at(-60), "not_before": at(-60), "sent_at": at(-60)}
    return Delivery.objects.create(confirmation=confirmation, **{**given, **values})


def suppress(address: str = "ann@example.com") -> None:
    """Suppress an address since half an hour ago."""
    digest = address_of(address).digest("suppression")
    Suppression.objects.create(digest=digest, why="bounced", since=at(-30))


def told(found: Explanation) -> str:
    """Return the sentence, with times as hours and minutes."""
    return sentence(found, lambda moment: f"{moment:%H:%M}")


@pytest.mark.parametrize(
    ("values", "expected", "remedies"),
    [
        ({}, "The message was sent on 11:00, and nothing has been heard since.", RESEND),
        (
            {"state": "delivered", "ended_at": at(-50)},
            "The recipient's mail server accepted the message on 11:10.",
            RESEND,
        ),
        (
            {"state": "bounced", "ended_at": at(-50), "error_text": REPLY},
            "The message bounced on 11:10 (550 5.1.1 no such user).",
            RESEND,
        ),
        (
            {"state": "complained", "ended_at": at(-50)},
            "The recipient reported the message as spam on 11:10.",
            RESEND,
        ),
        (
            {"state": "unknown", "ended_at": at(-50)},
            "The message may have been sent; it was given up on 11:10.",
            RESEND,
        ),
        (
            {"state": "failed", "reason": "refused", "ended_at": at(-50), "error_code": "550"},
            "The message was not sent (11:10): the mail server refused the recipient (550).",
            RESEND,
        ),
        (
            {"state": "failed", "reason": "unsupported", "ended_at": at(-50)},
            "The message was not sent (11:10): the e-mail backend does not support this address.",
            BY_HAND,
        ),
        (
            {
                "state": "queued",
                "attempts": 1,
                "reason": "not_accepted",
                "error_text": "451 busy",
                "not_before": at(5),
            },
            (
                "The message waits for the next try on 12:05: the mail server did not accept the "
                "message (451 busy)."
            ),
            BY_HAND,
        ),
        (
            {"state": "queued", "reason": "turn", "not_before": at(5)},
            "The message waits until 12:05.",
            BY_HAND,
        ),
        (
            {"state": "queued"},
            "The message has waited for a courier since 11:00.",
            BY_HAND,
        ),
        (
            {
                "state": "queued",
                "attempts": 1,
                "reason": "configuration",
                "error_class": "SMTPAuthenticationError",
                "error_code": "535",
                "not_before": NOON + timedelta(seconds=30),
            },
            (
                "Sending is paused until 12:00, because the e-mail settings do not work "
                "(SMTPAuthenticationError 535)."
            ),
            BY_HAND,
        ),
        ({"state": "sending"}, "The message is being sent.", ()),
        (
            {"state": "sending", "handed_at": at(-1)},
            "The message is being sent. It was handed over on 11:59.",
            (),
        ),
    ],
)
def test_the_newest_message_explains(ann, values, expected, remedies):
    """The state of the newest message is the reason; ignored requests do not count."""
    add(ann, asked_at=at(-90), state="failed", reason="crashed")
    add(ann, **values)
    add(ann, asked_at=at(-30), state="ignored", reason="cooling_down")
    found = explain(ann)
    assert (told(found), found.remedies) == (expected, remedies)


def test_a_budget_that_is_used_up(ann, change):
    """While the hourly budget is used up, a queued message waits for its end."""
    change(HOURLY_BUDGET=1)
    budget.take(0, 0)
    add(ann, state="queued")
    assert told(explain(ann)) == (
        "Sending is paused until 13:00, because the hourly budget is used up."
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"state": "confirmed", "confirmed_at": at(-5)}, "The address was confirmed on 11:55."),
        ({"state": "confirmed"}, "The address is confirmed."),
        ({"state": "withdrawn"}, "The confirmation was withdrawn."),
        (
            {"state": "withdrawn", "disowned_at": at(-5)},
            "The recipient disowned the confirmation on 11:55.",
        ),
    ],
)
def test_a_confirmation_that_is_not_pending(ann, values, expected):
    """A confirmation that is not pending is explained by its state."""
    Confirmation.objects.update(**values)
    ann.refresh_from_db()
    assert told(explain(ann)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"is_active": False}, "The account is deactivated."),
        ({"email": ""}, "The account no longer has this address."),
    ],
)
def test_an_account_that_changed(ann, values, expected):
    """An account that cannot get the message explains it."""
    get_user_model().objects.update(**values)
    assert told(explain(ann)) == expected


def test_an_address_that_changed_is_looked_up_itself(ann):
    """If the account has a newer address, that one counts."""
    get_user_model().objects.update(email="ann@example.net")
    suppress("ann@example.net")
    assert told(explain(ann)) == "The address has been suppressed since 11:30."


def test_a_suppressed_address(ann):
    """A suppression has precedence; a bounce adds the words of the mail server."""
    add(ann, state="bounced", error_text=REPLY)
    suppress()
    found = explain(ann)
    assert told(found) == ("The address has been suppressed since 11:30 (550 5.1.1 no such user).")
    assert found.remedies == (Remedy.LIFT, Remedy.CONFIRM)


def test_nothing_was_requested(ann):
    """Without a delivery and a cooldown nothing was requested."""
    assert told(explain(ann)) == "No message has been requested."


def test_a_cooldown(ann):
    """A cooldown explains a request within it, or that of another account with the address."""
    expected = "The address is within its cooldown until 12:01."
    cooldown.take("ann@example.com")
    assert told(explain(ann)) == expected
    add(ann)
    assert told(explain(ann)) == (
        "The message was sent on 11:00, and nothing has been heard since. Another one can be "
        "sent from 12:01."
    )
    add(ann, state="ignored", reason="cooling_down", asked_at=NOON)
    assert told(explain(ann)) == expected


def test_a_time_that_ends_with_a_full_stop(ann):
    """The full stop of a time ends the sentence too; three that stand for an address are kept."""
    cooldown.take("ann@example.com")
    expected = "The address is within its cooldown until 3 p.m."
    assert sentence(explain(ann), lambda at: "3 p.m.") == expected
    bounced = Explanation(Kind.BOUNCED, NOON, "550 ...")
    assert sentence(bounced, lambda at: "3 p.m.") == "The message bounced on 3 p.m. (550 ...)."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.1.1 <ann@example.com>: unknown", "5.1.1 ... unknown"),
        ('to "ann x"@example.com\x1b[1m\r\n gone', "to ... [1m gone"),
        ("ANN@EXAMPLE.COM rfc822;ann%40example.com no", "... ... no"),
        ("user Ann is unknown, annual limit", "user ... is unknown, annual limit"),
        (
            "see https://a.example/?token=" + "x" * 43 + " now",
            "see https://a.example/?token=... now",
        ),
        ("a" * 2000, ""),
        ("long " * 100, ("long " * 40).strip() + " "),
    ],
)
def test_a_reply_has_no_addresses(text, expected):
    """A reply is stored on one line, short, and without addresses and tokens."""
    assert redaction.without_addresses(text, "ann@example.com") == expected


def test_a_reply_about_an_unknown_recipient():
    """Without an address only those in the reply are removed."""
    assert redaction.without_addresses("no ann, no <ann@example.com>", "") == "no ann, no ..."


def page_of(confirmation: Confirmation) -> str:
    """Return the path of the confirmation's page."""
    return f"{CONFIRMATIONS}{confirmation.pk}/change/"


def test_the_page_has_the_sentence_and_the_button(ann, root):
    """The page begins with the sentence, and has the helpful button once, next to it."""
    add(ann, state="bounced", error_text="<b>5.1.1</b>")
    suppress()
    html = root.get(page_of(ann)).content.decode()
    assert (
        "The address has been suppressed since Jan. 1, 2030, 5:30 a.m. "
        "(&lt;b&gt;5.1.1&lt;/b&gt;)." in html
    )
    found = [
        action
        for action in ("lift_and_resend", "resend", "withdraw", "confirm")
        if f'name="action" value="{action}"' in html
    ]
    assert found == ["lift_and_resend", "resend", "withdraw", "confirm"]
    assert html.count('value="lift_and_resend"') == 1


def test_the_page_takes_the_same_statements_for_any_history(ann, root):
    """The number of statements of the page does not depend on the number of deliveries."""
    counts = []
    for _ in range(2):
        add(ann)
        with CaptureQueriesContext(connection) as queries:
            root.get(page_of(ann))
        counts.append(len(queries))
        for _ in range(10):
            add(ann)
    assert counts[0] == counts[1]


class TestLift:
    """The action that lifts a suppression and sends again."""

    def test_it_lifts_and_queues(self, ann, root):
        """The suppression is gone, the message is queued, and the log has an entry."""
        suppress()
        response = press(root, "lift_and_resend", ann, from_page="1")
        assert said(response) == ["Queued: 1. Cooling down: 0. Not pending: 0."]
        assert (Suppression.objects.count(), Delivery.objects.get().state) == (0, "queued")
        assert LogEntry.objects.get().change_message == "Suppression lifted, queued again."

    @pytest.mark.parametrize("change", ["cooldown", "address"])
    def test_it_does_both_or_neither(self, ann, root, change):
        """A message that cannot be queued leaves the suppression."""
        suppress()
        if change == "cooldown":
            cooldown.take("ann@example.com")
        else:
            get_user_model().objects.filter(pk=ann.account_id).update(email="")
        press(root, "lift_and_resend", ann)
        assert (Suppression.objects.count(), Delivery.objects.count()) == (1, 0)

    @pytest.mark.parametrize("missing", ["resend_confirmation", "delete_suppression"])
    def test_it_takes_both_permissions(self, ann, missing):
        """Staff need the permissions to delete suppressions and to send again."""
        names = {"view_confirmation", "resend_confirmation", "delete_suppression"} - {missing}
        suppress()
        browser = staff(*names)
        assert "lift_and_resend" not in browser.get(page_of(ann)).content.decode()
        press(browser, "lift_and_resend", ann)
        assert Suppression.objects.exists()

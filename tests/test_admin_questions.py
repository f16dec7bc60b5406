"""Actions of the admin that ask first, the reason in the log, and opening again."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.core import mail
from django.test import Client
from django.utils import timezone

from resend_confirmation import engine, withdraw
from resend_confirmation.admin import question
from resend_confirmation.models import Confirmation

from .factories import PendingFactory, UserFactory

CONFIRMATIONS = "/admin/resend_confirmation/confirmation/"

pytestmark = [pytest.mark.database, pytest.mark.django, pytest.mark.django_db]


@pytest.fixture
def root():
    """A test client that is logged in as a superuser."""
    browser = Client()
    browser.force_login(UserFactory.create(username="root", is_staff=True, is_superuser=True))
    return browser


def waiting(name):
    """Create a pending account and return its confirmation."""
    return Confirmation.objects.get(account=PendingFactory.create(username=name))


def press(browser, action, *rows, **more):
    """Run an action of the list on ``rows``, without an answer to its question."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], "index": 0, **more}
    return browser.post(CONFIRMATIONS, data)


def answer(browser, page, **more):
    """Send the form of the question as the page has it, with the answer."""
    html = page.content.decode()
    data: dict[str, list[str]] = {}
    for tag in re.findall(r'<input type="hidden"[^>]*>', html):
        name, value = (re.findall(rf'{key}="([^"]*)"', tag)[0] for key in ("name", "value"))
        data.setdefault(name, []).append(value)
    return browser.post(page.wsgi_request.get_full_path(), {**data, **more})


def said(response):
    """Return the messages shown after an action."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def states():
    return list(Confirmation.objects.order_by("pk").values_list("state", flat=True))


@pytest.mark.parametrize(
    ("action", "state", "entry"),
    [
        ("withdraw", "withdrawn", "Withdrawn. Asked by phone"),
        ("confirm", "confirmed", "Confirmed by hand. Asked by phone"),
    ],
)
def test_it_asks_first(root, action, state, entry):
    """Nothing happens before the question is answered; the log has the reason."""
    rows = [waiting("ann"), waiting("ben")]
    page = press(root, action, *rows)
    html = page.content.decode()
    assert "Confirmations: 2" in html
    assert f'<a href="{CONFIRMATIONS}{rows[0].pk}/change/">ann@example.com (pending)</a>' in html
    assert (states(), LogEntry.objects.count()) == (["pending"] * 2, 0)
    done = answer(root, page, reason="Asked by\nphone")
    assert (done.status_code, done["Location"]) == (302, CONFIRMATIONS)
    assert states() == [state] * 2
    assert set(LogEntry.objects.values_list("change_message", flat=True)) == {entry}


def test_the_page_lists_a_hundred_rows(root, monkeypatch):
    """The page counts all rows of the selection and lists the first ones."""
    monkeypatch.setattr(question, "SHOWN", 2)
    rows = [waiting(name) for name in ("ann", "ben", "cid")]
    html = press(root, "withdraw", *rows).content.decode()
    assert "Confirmations: 3" in html
    assert re.findall(r">(\w+)@example.com \(pending\)<", html) == ["cid", "ben"]
    assert "<li>…</li>" in html


def test_rows_that_came_after_the_question_are_spared(root):
    """An answer for all rows is for those that the page counted."""
    row = waiting("ann")
    page = press(root, "withdraw", row, select_across="1")
    waiting("late")
    answer(root, page)
    assert states() == ["withdrawn", "pending"]


def test_a_reason_that_is_too_long_is_asked_again(root):
    """Nothing happens as long as the form is invalid."""
    page = press(root, "withdraw", waiting("ann"))
    again = answer(root, page, reason="x" * 201)
    assert "at most 200 characters" in again.content.decode()
    assert states() == ["pending"]
    answer(root, again, reason="x" * 200)
    assert states() == ["withdrawn"]


def test_a_button_asks_and_leads_back(root):
    """The question of a button leads back to the page with the button, either way."""
    row = waiting("ann")
    page = press(root, "withdraw", row, from_page="1")
    change = f"{CONFIRMATIONS}{row.pk}/change/"
    assert f'<a href="{change}" class="button cancel-link">' in page.content.decode()
    assert answer(root, page)["Location"] == change


def test_log_has_no_address(root):
    """Addresses, tokens and control characters in a reason do not reach the log."""
    page = press(root, "withdraw", waiting("ann"))
    typed = f'from "ann b"@example.org\u202e \x1b[1m twice, ?token={"a" * 43}'
    answer(root, page, reason=typed)
    kept = "Withdrawn. from ... [1m twice, ?token=..."
    assert LogEntry.objects.get().change_message == kept


@pytest.mark.parametrize("action", ["withdraw", "confirm"])
def test_open_again(root, action):
    """What staff ended is pending again with dead links, and the next message confirms it."""
    row = waiting("ann")
    press(root, "resend", row)
    engine.drain()
    (old,) = re.findall(r"token=([\w-]+)", str(mail.outbox.pop().body))
    answer(root, press(root, action, row))
    change = f"{CONFIRMATIONS}{row.pk}/change/"
    assert 'name="action" value="reopen"' in root.get(change).content.decode()
    done = answer(root, press(root, "reopen", row), reason="a mistake")
    assert said(done)[-1] == "Opened again: 1. Pending, or confirmed by a link: 0."
    assert LogEntry.objects.latest("pk").change_message == "Opened again. a mistake"
    row.refresh_from_db()
    assert (row.state, row.confirmed_at, row.by_hand) == ("pending", None, False)
    assert engine.inspect(old).verdict.value == "dead"
    assert engine.confirm_by_hand(row) is True


def test_not_opened(root):
    """Pending, linked, disowned and changed ones stay, and the messages say why."""
    rows = {name: waiting(name) for name in ("pending", "linked", "disowned", "moved", "gone")}
    Confirmation.objects.filter(pk=rows["linked"].pk).update(state="confirmed")
    for name in ("disowned", "moved", "gone"):
        withdraw(rows[name])
    Confirmation.objects.filter(pk=rows["disowned"].pk).update(disowned_at=timezone.now())
    users = get_user_model().objects
    users.filter(username="moved").update(email="new@example.com")
    users.filter(username="gone").update(is_active=False)
    before = states()
    done = answer(root, press(root, "reopen", *rows.values()))
    assert said(done) == [
        "Opened again: 0. Pending, or confirmed by a link: 2.",
        "Not opened, since the recipient disowned them: 1.",
        (
            "Not opened, since their accounts are deactivated, gone, confirmed in another way, or "
            "have another address: 2."
        ),
    ]
    assert (states(), LogEntry.objects.count()) == (before, 0)
    pages = [root.get(f"{CONFIRMATIONS}{row.pk}/change/") for row in rows.values()]
    shown = ['value="reopen"' in page.content.decode() for page in pages]
    assert shown == [False, False, False, True, True]


def test_a_store_that_keeps_the_change(root, change):
    """An account that its store activated stays active, and the message says so."""
    change(ACCOUNTS="resend_confirmation.accounts.FlagStore")
    row = waiting("ann")
    get_user_model().objects.filter(pk=row.account_id).update(is_active=False)
    answer(root, press(root, "confirm", row))
    done = answer(root, press(root, "reopen", row))
    assert said(done)[-1] == "Not opened, since their accounts keep the change: 1."
    assert get_user_model().objects.get(pk=row.account_id).is_active
    assert states() == ["confirmed"]

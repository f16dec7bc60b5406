"""Actions of staff on many confirmations: bulk runs that couriers carry out."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import OperationalError, connection

from resend_confirmation import engine
from resend_confirmation.admin import confirmations
from resend_confirmation.courier import prepared
from resend_confirmation.engine import runs, selections
from resend_confirmation.models import Confirmation, Delivery, Run
from resend_confirmation.outcomes import RunAction
from resend_confirmation.signals import confirmed

from .test_admin import listed, press, said, staff, waiting
from .test_command import Ran

RUNS = "/admin/resend_confirmation/run/"

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def root():
    return staff(username="root", is_superuser=True)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """A selection is large from three rows on, and a batch has two."""
    monkeypatch.setattr(confirmations, "AT_ONCE", 2)
    monkeypatch.setattr(selections, "BATCH", 2)


def rounds():
    return [tally.processed for tally in engine.rounds()]


def states():
    return list(Confirmation.objects.order_by("pk").values_list("state", flat=True))


@pytest.fixture
def rows():
    return [waiting(f"player{number}") for number in range(5)]


def test_resend(root, rows):
    """The request only stores the selection; each account gets one message from the couriers."""
    response = press(root, "resend", *rows)
    run = Run.objects.get()
    assert said(response) == [
        f"Selected: 5. A courier processes them in the bulk run “{run.name}”.",
    ]
    assert not Delivery.objects.exists()
    rounds()
    assert sorted(message.to[0] for message in mail.outbox) == [row.address for row in rows]
    run.refresh_from_db()
    assert run.user
    assert run.user.username == "root"
    assert (run.size, run.position, run.done) == (5, 5, 5)
    assert set(Delivery.objects.values_list("run", "priority")) == {(run.pk, 1)}


@pytest.mark.parametrize(
    ("action", "state", "entry"),
    [("withdraw", "withdrawn", "Withdrawn."), ("confirm", "confirmed", "Confirmed by hand.")],
)
def test_changes(root, rows, action, state, entry):
    """Each pending confirmation is changed and logged for the user, as in a small selection."""
    Confirmation.objects.filter(pk=rows[1].pk).update(state="withdrawn")
    press(root, action, *rows)
    assert "pending" in states()
    rounds()
    rows[1].refresh_from_db()
    assert (rows[1].state, states().count(state)) == ("withdrawn", 5 if action == "withdraw" else 4)
    logged = LogEntry.objects.values_list("object_id", "change_message", "user__username")
    changed = [str(row.pk) for row in rows if row != rows[1]]
    assert sorted(logged) == sorted((key, entry, "root") for key in changed)
    assert LogEntry.objects.values_list("action_flag", flat=True).distinct().get() == 2
    assert Run.objects.values_list("position", "done").get() == (5, 4)
    assert Confirmation.objects.filter(by_hand=True).count() == 4


def test_reopen(root, rows):
    """Confirmations that were withdrawn as a large selection are opened again as one."""
    press(root, "withdraw", *rows)
    rounds()
    press(root, "reopen", *rows)
    rounds()
    assert states() == ["pending"] * 5


def test_a_small_selection_is_processed_at_once(root, rows):
    """A selection that is not large needs no courier."""
    press(root, "withdraw", *rows[:2])
    assert states().count("withdrawn") == 2
    assert not Run.objects.exists()


def test_an_action_that_no_courier_carries_out(root, rows):
    """An action that needs a look at each row is refused for a large selection."""
    response = press(root, "lift_and_resend", *rows)
    assert said(response) == ["Select at most 2 confirmations for this action."]
    assert not Delivery.objects.exists()
    assert not Run.objects.exists()


def test_all_rows_of_the_list(root, rows):
    """A selection of all pages has the rows that the list had when it was made."""
    press(root, "withdraw", rows[0], select_across="1")
    late = waiting("late")
    rounds()
    late.refresh_from_db()
    assert (late.state, states().count("withdrawn")) == ("pending", 5)


def test_two_couriers(rows):
    """A courier that read the run before another one processed its batch does nothing."""
    run = begun(RunAction.WITHDRAW, rows)
    assert selections._process_batch(run) == 2
    assert selections._process_batch(run) == 0
    assert states().count("withdrawn") == 2
    assert Run.objects.values_list("position", flat=True).get() == 2
    rounds()
    assert states().count("withdrawn") == 5


def begun(action, rows):
    return selections.begin(action, [row.pk for row in rows], user=None, entry="")


def test_a_cancelled_run(rows):
    """A run that is cancelled goes no further."""
    run = begun(RunAction.WITHDRAW, rows)
    assert selections.advance()
    assert Ran("cancel", run.name).code == 0
    assert not selections.advance()
    assert states().count("withdrawn") == 2


def test_an_error_of_the_host_skips_its_row(rows, caplog):
    """If a receiver of the host fails, that row stays as it was, and the others are done."""

    def fail(user, **values):
        if user.pk == rows[2].account_id:
            raise RuntimeError("player2@example.com")

    confirmed.connect(fail)
    try:
        begun(RunAction.CONFIRM, rows)
        rounds()
    finally:
        confirmed.disconnect(fail)
    assert states() == ["confirmed", "confirmed", "pending", "confirmed", "confirmed"]
    assert Run.objects.values_list("position", "done").get() == (5, 4)
    assert "A confirmation of a bulk run failed" in caplog.text
    assert "player2" not in caplog.text


def test_an_error_of_the_store_skips_its_batch(rows, monkeypatch, caplog):
    """If the account store fails, that batch gets no messages, and the next ones do."""
    find, calls = prepared.accounts_of, []

    def fail_once(wanted):
        calls.append(wanted)
        if len(calls) == 1:
            raise RuntimeError
        return find(wanted)

    monkeypatch.setattr(prepared, "accounts_of", fail_once)
    begun(RunAction.RESEND, rows)
    rounds()
    assert len(mail.outbox) == 3
    assert "A batch of a bulk run failed" in caplog.text


@pytest.mark.parametrize(
    ("action", "place", "name"),
    [(RunAction.RESEND, prepared, "accounts_of"), (RunAction.WITHDRAW, selections, "_CHANGES")],
)
def test_an_error_of_the_database_skips_nothing(rows, monkeypatch, action, place, name):
    """If the database fails, the batch is processed later."""

    def fail(*args):
        raise OperationalError

    broken = {action: fail} if name == "_CHANGES" else fail
    begun(action, rows)
    with monkeypatch.context() as patch:
        patch.setattr(place, name, broken)
        with pytest.raises(OperationalError):
            selections.advance()
    assert Run.objects.values_list("position", flat=True).get() == 0
    rounds()
    assert Run.objects.values_list("position", "done").get() == (5, 5)


def test_accounts_with_a_newer_address(rows):
    """An account that changed its address gets the message at the new one."""
    get_user_model().objects.filter(pk=rows[0].account_id).update(email="new@example.com")
    begun(RunAction.RESEND, rows[:1])
    rounds()
    assert [message.to for message in mail.outbox] == [["new@example.com"]]


def test_accounts_that_are_gone(rows):
    """Rows that were deleted, and accounts that were, are passed over."""
    get_user_model().objects.filter(pk=rows[0].account_id).delete()
    get_user_model().objects.filter(pk=rows[1].account_id).update(email="")
    begun(RunAction.RESEND, rows)
    rounds()
    assert len(mail.outbox) == 3


def test_progress(root, rows):
    """The admin and ``status`` show how far a run is."""
    begun(RunAction.WITHDRAW, rows)
    selections.advance()
    assert Ran("send", "--pending", "--run", "everybody").lines == ["queued: 3"]
    response = root.get(RUNS)
    everybody, withdrawal = listed(response)
    assert str(everybody) == "everybody"
    html = response.content.decode()
    assert 'class="field-progress">2 of 5, successful: 2<' in html
    assert 'class="field-waiting">3<' in html
    assert 'class="field-waiting">0<' in html
    page = root.get(f"{RUNS}{everybody.pk}/change/").content.decode()
    assert "everybody" in page
    lines = [line for line in Ran("status").lines if line.startswith("run ")]
    assert lines == [
        "run everybody: 3 queued, 3 of them waiting",
        f"run {withdrawal.name}: 2 of 5 processed, 2 successful",
    ]
    found = json.loads("\n".join(Ran("status", "--json").lines))["runs"][1]
    assert (found["action"], found["size"], found["position"], found["done"]) == (
        "withdraw",
        5,
        2,
        2,
    )


def test_progress_of_many_messages(root, rows, monkeypatch):
    """A limited number of messages is counted, those that are due first."""
    monkeypatch.setattr(runs, "MOST", 2)
    Ran("send", "--pending", "--run", "late", "--limit", "1")
    Ran("send", "--pending", "--run", "later")
    assert 'class="field-waiting">1<' in root.get(RUNS).content.decode()
    assert [line for line in Ran("status").lines if line.startswith("run ")] == [
        "run later: 4 queued, 1 of them waiting",
        "run late: 1 queued, 1 of them waiting",
    ]
    Ran("cancel", "late")
    html = root.get(f"{RUNS}{Run.objects.latest('pk').pk}/change/").content.decode()
    assert "2+" in html
    assert Ran("status").lines[-2] == "run later: 4 queued, 2+ of them waiting"


def test_rows_of_the_version_before():
    """A process without the new columns can insert a run."""
    columns = "name, started_at, queued"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO resend_confirmation_run ({columns}) VALUES ('a', '2026-01-01', 0)"
        )
    assert Run.objects.get().action == "resend"
    assert not selections.advance()

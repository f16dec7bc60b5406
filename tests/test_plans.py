"""The indexes that statements use: the courier's with outdated statistics, and the admin's."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from resend_confirmation import database, engine
from resend_confirmation.admin import confirmations, deliveries, requests
from resend_confirmation.courier import pause
from resend_confirmation.deliveries import batches, claims, gate, superseding, unresolved
from resend_confirmation.engine import counting, status
from resend_confirmation.models import Confirmation, Delivery, HourlyCount

from .factories import PendingFactory, address_of
from .test_admin import (
    CONFIRMATIONS,
    DELIVERIES,
    FIRST,
    NOON,
    REQUESTS,
    delivery,
    staff,
    waiting,
)

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor == "mysql", reason="MariaDB counts the rows while it plans"
    ),
]

DUE, ASKED = "resend_conf_delivery_next", "resend_conf_delivery_asked"
CONFIRMATION = "resend_confirmation_delivery_confirmation_id_19281f78"
KEY, ALL = "key", "all rows"

TABLE = Delivery._meta.db_table
#: Steps of the plans of SQLite and PostgreSQL.
STEPS = {
    r"(?:INDEX|Scan(?: Backward)? using|Bitmap Index Scan on) (resend_conf\w*_delivery_\w+)": None,
    rf"SEARCH (?:{TABLE}|U\d) USING INTEGER PRIMARY KEY": KEY,
    rf"SCAN (?:{TABLE}|U\d)\b|Seq Scan on {TABLE}": ALL,
}


@pytest.fixture
def queue():
    """500 queued deliveries of 50 confirmations, analysed when only finished ones existed."""
    for number in range(50):
        PendingFactory.create(username=f"player{number}")
    confirmations = list(Confirmation.objects.order_by("pk"))
    add(confirmations, "sent", 4, due=-timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "postgresql" else "SELECT 1")
    add(confirmations, "queued", 10, due=-timedelta(hours=1))
    return confirmations


def add(confirmations, state, count, due):
    now = timezone.now()
    Delivery.objects.bulk_create(
        Delivery(
            confirmation=each,
            state=state,
            asked_at=now,
            not_before=now + due,
            slot_at=now,
        )
        for each in confirmations
        for _ in range(count)
    )


def indexes(work):
    """Return what the statements of ``work`` use to find deliveries."""
    plan = plans(work, TABLE)
    used = set()
    for step, name in STEPS.items():
        used |= {name or found for found in re.findall(step, plan)}
    return {KEY if name == f"{TABLE}_pkey" else name for name in used}


def plans(work, table):
    """Return the plans of the statements of ``work`` on a table."""
    with CaptureQueriesContext(connection) as queries:
        work()
    found = []
    with connection.cursor() as cursor:
        prefix = "EXPLAIN QUERY PLAN"
        if connection.vendor == "postgresql":
            # So small a table is read as a whole otherwise.
            cursor.execute("SET enable_seqscan = off")
            prefix = "EXPLAIN"
        for query in queries:
            if re.match("SELECT|UPDATE|DELETE", query["sql"]) and table in query["sql"]:
                cursor.execute(f"{prefix} {query['sql']}")
                found += [str(row[-1]) for row in cursor.fetchall()]
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")
    return "\n".join(found)


def test_due(queue):
    """What is due is found by the only index that begins with the state."""
    assert indexes(lambda: unresolved.due(10)) == {DUE}
    assert indexes(lambda: unresolved.count(10)) == {DUE}
    assert indexes(claims.reclaim) == {DUE}
    assert indexes(pause.paused_by) == {DUE}
    assert indexes(status.read) == {DUE}


def test_claims(queue):
    """Claimed rows are written by their keys, and other messages found by the confirmation."""
    assert indexes(lambda: claims.claim("one")) == {DUE, KEY, CONFIRMATION}
    assert indexes(lambda: batches.claim("two", 5)) == {DUE, KEY, CONFIRMATION}


def test_claimed(queue):
    """A claimed row is written by its key."""
    claim = claims.claim("one")
    assert claim
    assert claim.delivery.confirmation
    address = address_of(claim.delivery.confirmation.address)
    assert indexes(lambda: claims.pass_gate(claim, address)) == set()
    assert indexes(lambda: claims.hand_over(claim)) == {KEY}
    assert indexes(lambda: claims.put_back(claim, timedelta(0))) == {KEY}


def test_other_messages(queue):
    """The few messages of a confirmation are not looked for among all that wait."""
    confirmation = queue[0]
    waiting = Delivery.objects.filter(confirmation=confirmation, state="queued")
    first = waiting.order_by("pk")[0]
    first.slot_at = None
    address = address_of(confirmation.address)
    until, newest = database.now() + timedelta(minutes=1), Delivery(pk=first.pk + 1)
    assert indexes(lambda: gate.enter(first, address, until)) == {CONFIRMATION}
    assert indexes(lambda: superseding.end_older(confirmation.pk, newest)) == {
        CONFIRMATION,
        KEY,
    }


def test_prune(queue):
    """Pruning looks at the oldest rows only."""
    assert indexes(lambda: list(engine.prune())) == {ASKED, DUE}
    plan = plans(lambda: list(engine.prune()), 'FROM "resend_confirmation_cooldown"')
    assert re.findall(r"resend_conf\w*_cooldown_\w+", plan) == ["resend_conf_cooldown_day"]


def test_counting(queue):
    """Counting an hour looks at the rows of that hour only."""
    now = database.now()
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=10)
    assert indexes(lambda: counting._count(hour, hour)) == {ASKED}
    assert HourlyCount.objects.get().hour == hour
    assert indexes(lambda: list(counting._due(now))) == {ASKED}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite says what it sorts")
@pytest.mark.parametrize(
    ("page", "query"),
    [
        (CONFIRMATIONS, {}),
        (CONFIRMATIONS, {"q": ""}),
        (CONFIRMATIONS, {"state__exact": "pending", "o": "1"}),
        (CONFIRMATIONS, {"state__exact": "pending"}),
        (CONFIRMATIONS, {"requested_at__gte": "2026-01-01 00:00:00+00:00"}),
        (CONFIRMATIONS, {"client": "-"}),
        (CONFIRMATIONS, {"q": "player0@example.com"}),
        (CONFIRMATIONS, {"q": "player0"}),
        (DELIVERIES, {}),
        (DELIVERIES, {"o": "-3.7"}),
        (DELIVERIES, {"state__exact": "sent"}),
        (DELIVERIES, {"asked_at__gte": "2026-01-01 00:00:00+00:00"}),
        (DELIVERIES, {"dialect": FIRST}),
        (DELIVERIES, {"q": "player0@example.com"}),
        (DELIVERIES, {"q": "no such id"}),
        (f"{CONFIRMATIONS}overview/", {}),
        (REQUESTS, {}),
        (REQUESTS, {"o": "1"}),
        (REQUESTS, {"asked_at__gte": "2026-01-01 00:00:00+00:00"}),
        (REQUESTS, {"reason__exact": "unknown"}),
        (REQUESTS, {"q": "player0@example.com"}),
    ],
)
def test_no_list_reads_a_table(monkeypatch, page, query):
    """Every statement of a list uses an index, and sorts only what fits on one page."""
    is_short = bool(query.get("q")) or "requested_at__gte" in query
    lists = (confirmations.ConfirmationAdmin, deliveries.DeliveryAdmin)
    for model_admin in (*lists, requests.RequestRecordAdmin):
        monkeypatch.setattr(model_admin, "list_per_page", 100 if is_short else 1)
    for number in range(2):
        delivery(waiting(f"player{number}", requested_at=NOON, client=""), dialect=FIRST)
    root = staff(username="root", is_superuser=True)
    with CaptureQueriesContext(connection) as queries:
        root.get(page, query)
    steps = []
    with connection.cursor() as cursor:
        for sql in [each["sql"] for each in queries if "FROM" in each["sql"]]:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            steps += [(row[-1], sql) for row in cursor.fetchall()]
    whole_table = re.compile(r"SCAN resend_confirmation_\w+$")
    assert [step for step in steps if whole_table.search(step[0])] == []
    sorts = [step for step in steps if "FOR ORDER BY" in step[0]]
    assert is_short or sorts == []


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="other databases have no such indexes"
)
def test_digests_have_one_index():
    """Digests have no index for LIKE, which each request would write to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%pattern_ops%'")
        names = {name for (name,) in cursor.fetchall()}
    assert "auth_user_username_6821ab7c_like" in names
    assert {name for name in names if name.startswith("resend_conf")} == set()

"""Records of requests: how each one ended, found by the identity that was typed."""

import json
import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext

from resend_confirmation import clients, engine
from resend_confirmation.engine import ResendRequest, backlog, records
from resend_confirmation.models import Delivery, RequestRecord
from resend_confirmation.outcomes import CONCEALED, Outcome

from .factories import UserFactory
from .test_admin import REQUESTS, staff
from .test_command import Ran

pytestmark = [pytest.mark.database, pytest.mark.django_db]

#: The URL of a candid dialect, and of a quiet one.
CANDID, QUIET = "/auth/send-email-confirmation", "/accounts/resend-confirmation"
UNKNOWN = "no matching account"


def ask(typed, path=CANDID, peer="192.0.2.1"):
    """Send a request and return the status of the response."""
    body = {"email": typed}
    answer = Client().post(path, body, content_type="application/json", REMOTE_ADDR=peer)
    return answer.status_code


def found(typed):
    """Return how the requests with an identity ended, the newest first."""
    records.write()
    return [records.describe(row) for row in records.of(typed).select_related("delivery")]


@pytest.fixture
def seconds(monkeypatch):
    """The monotonic clock, which the test sets."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(records, "_written_at", 0.0)
    return now


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pending", "confirmed", "blocked")
@pytest.mark.parametrize(
    ("typed", "result"),
    [
        ("nobody@example.com", UNKNOWN),
        ("confirmed@example.com", "already confirmed"),
        ("blocked@example.com", "account deactivated or confirmation withdrawn"),
        ("pending@example.com", "queued"),
    ],
)
def test_candid(typed, result):
    """The end of each request to a candid dialect is found by its identity."""
    ask(typed)
    assert found(typed) == [result]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pending")
def test_within_the_cooldown(clock):
    """Requests within the cooldown are found, with the times at which they were made."""
    ask("pending@example.com")
    clock.move(seconds=20)
    ask("pending@example.com")
    assert found("pending@example.com") == ["requested again too soon", "queued"]
    newest, oldest = records.of("pending@example.com")
    assert timedelta(0) <= timedelta(seconds=20) - (newest.asked_at - oldest.asked_at)
    assert newest.asked_at - oldest.asked_at > timedelta(seconds=10)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pending")
def test_again(clock):
    """A request to which the cooldown allows another message is found."""
    ask("pending@example.com")
    engine.drain()
    clock.move(minutes=2)
    ask("pending@example.com")
    assert found("pending@example.com") == ["queued", "sent"]


def test_switched_off(change, settings):
    """A request to a client that does not require confirmation is found."""
    change(CLIENTS=[{"name": "kiosk", "required": False}])
    ask("ann@example.com")
    assert found("ann@example.com") == ["the client does not require confirmation"]


@pytest.mark.usefixtures("pending", "confirmed", "at_once")
def test_quiet():
    """A quiet request is found once it was resolved, by what the caller typed."""
    for typed in ("nobody@example.com", "confirmed@example.com", "pending@example.com"):
        ask(typed, QUIET)
    assert not RequestRecord.objects.exists()
    engine.drain()
    assert found("nobody@example.com") == ["ignored: no matching account"]
    assert found("confirmed@example.com") == ["ignored: already confirmed"]
    assert found("pending@example.com") == ["sent"]
    assert not Delivery.objects.exclude(identity="").exists()


@pytest.mark.usefixtures("at_once")
def test_unresolvable(clock, change, monkeypatch):
    """A quiet request that could not be resolved is found."""
    ask("ann@example.com", QUIET)
    monkeypatch.setattr("resend_confirmation.engine.resolution.find_accounts", lambda _: 1 / 0)
    for _ in range(10):
        engine.drain()
        clock.move(hours=3)
    assert found("ann@example.com") == ["failed: an unexpected error"]


@pytest.mark.usefixtures("at_once")
def test_resolved_by_another_courier(clock, monkeypatch):
    """A request that another courier resolved while its look-up failed is not recorded twice."""
    ask("ann@example.com", QUIET)
    clock.move(days=3)

    def fail(identity):
        Delivery.objects.update(state="ignored", reason="unknown")
        raise ZeroDivisionError

    monkeypatch.setattr("resend_confirmation.engine.resolution.find_accounts", fail)
    engine.drain()
    assert (Delivery.objects.get().state, found("ann@example.com")) == ("ignored", [])


def test_quiet_request(django_assert_num_queries):
    """A quiet request leaves nothing to be recorded after its response."""
    ask("ann@example.com", QUIET)
    with django_assert_num_queries(1):
        ask("ben@example.com", QUIET)
    assert not records.notes


@pytest.mark.parametrize(
    ("typed", "other"),
    [
        ("Ann@EXAMPLE.com", "ann@example.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ａｎｎ", "ann"),
        ("4711", " 4711\n"),
    ],
)
def test_another_spelling(typed, other):
    """Spellings that mean the same account find the same requests; others do not."""
    engine.resend(ResendRequest(identity=typed, client=clients.default(), dialect="shop"))
    records.write()
    assert found(other) == [UNKNOWN]
    assert found(f"x{other.strip()}") == found("ANN") == []
    row = RequestRecord.objects.get()
    assert (row.dialect, row.client) == ("shop", "game")


def test_no_text():
    """A row has no text that was typed, and its digest depends on the key and on the purpose."""
    ask("ann@example.com")
    row = RequestRecord.objects.values().get()
    assert "ann" not in repr(row)
    # HMAC-SHA256 of "ann@example.com", its key the SHA-256 of the salt and the SECRET_KEY.
    assert row["digest"] == "d027704d58e11db143b4874cf48d1b5d"


def test_old_key(settings):
    """A record is found under a fallback of the key."""
    ask("ann@example.com")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 60, [settings.SECRET_KEY]
    assert found("ann@example.com") == [UNKNOWN]
    settings.SECRET_KEY_FALLBACKS = []
    assert found("ann@example.com") == []


def test_no_identity():
    """A request that is refused before the look-up is not recorded."""
    assert [ask(""), ask("\x07"), ask("a" * 300)] == [400, 400, 400]
    engine.resend(ResendRequest(identity="\x07", client=clients.default()))
    records.write()
    assert not RequestRecord.objects.exists()


def test_after_the_response():
    """A refused request is recorded after its response, by a single statement."""
    with CaptureQueriesContext(connection) as captured:
        ask("ann@example.com")
    written = [query["sql"] for query in captured if "requestrecord" in query["sql"]]
    assert [sql.split()[0] for sql in written] == ["INSERT"]
    assert captured[-1]["sql"] == written[0]


@pytest.mark.django_db(transaction=True)
def test_together(seconds):
    """Requests that follow within a second are written together, after a later response."""
    ask("a@example.com")
    ask("b@example.com")
    seconds[0] += 0.9
    ask("c@example.com")
    assert RequestRecord.objects.count() == 1
    seconds[0] += 0.1
    with CaptureQueriesContext(connection) as captured:
        ask("d@example.com")
    assert RequestRecord.objects.count() == 4
    assert sum("INSERT" in query["sql"] for query in captured) == 1
    ask("e@example.com")
    assert RequestRecord.objects.count() == 4
    engine.drain()
    assert RequestRecord.objects.count() == 5


def test_written_late(clock, seconds):
    """The time of a record is that of the request, however late it is written."""
    engine.resend(ResendRequest(identity="ann", client=clients.default()))
    seconds[0] += 30
    clock.move(seconds=30)
    records.write()
    assert RequestRecord.objects.get().asked_at == clock.now - timedelta(seconds=30)


@pytest.mark.django_db(transaction=True)
def test_many(seconds):
    """A hundred notes are written without waiting for the second."""
    for number in range(102):
        ask(f"a{number}@example.com")
    assert RequestRecord.objects.count() == 101


@pytest.mark.django_db(transaction=True)
def test_rolled_back(pending):
    """A request whose delivery was rolled back is not recorded."""
    request = ResendRequest(identity="pending@example.com", client=clients.default())
    with transaction.atomic():
        assert engine.resend(request).ending is Outcome.SENT
        transaction.set_rollback(True)
    records.write()
    assert found("pending@example.com") == []


def test_error(monkeypatch, caplog):
    """If the database fails, the response is the same, and the log has no identity."""

    def fail(*args, **kwargs):
        raise DatabaseError("ann@example.com")

    monkeypatch.setattr(QuerySet, "bulk_create", fail)
    assert ask("ann@example.com") == 404
    assert caplog.messages == ["Requests could not be recorded (DatabaseError)"]
    assert "ann" not in caplog.text
    assert not records.notes


def test_retention(clock, change):
    """Records are pruned after the time for ignored requests."""
    change(RETENTION={"ignored": 60})
    ask("old@example.com")
    clock.move(seconds=59)
    ask("new@example.com")
    assert list(engine.prune()) == []
    clock.move(seconds=30)
    assert list(engine.prune()) == [1]
    assert [found("old@example.com"), found("new@example.com")] == [[], [UNKNOWN]]


# Floods


@pytest.fixture
def flood(monkeypatch, change, seconds):
    """Return a function that sends refused requests from one network; four may be recorded."""
    monkeypatch.setattr(backlog, "CHECK_INTERVAL", 1)
    change(BACKLOG=4, THROTTLE=None)

    def send(count, peer="192.0.2.1"):
        return {ask(f"a{number}@example.com", peer=peer) for number in range(count)}

    return send


def test_flood(flood, seconds, clock, caplog):
    """Refused requests are recorded up to BACKLOG an hour; the answer is the same."""
    assert flood(20) == {404}
    # The fifth is the network's share.
    assert RequestRecord.objects.count() == 5
    seconds[0] += 60
    flood(1)
    assert caplog.messages == [
        "Did not record 15 refused requests: the limit of 4 in an hour is reached"
    ]
    clock.move(hours=1, seconds=1)
    seconds[0] += 60
    flood(3)
    assert RequestRecord.objects.count() == 9


def test_few_of_another_network(flood):
    """During a flood, a network with few requests is still recorded, up to twice BACKLOG."""
    flood(20)
    ask("ann@example.com", peer="198.51.100.1")
    assert found("ann@example.com") == [UNKNOWN]
    for number in range(20):
        ask("ben@example.com", peer=f"203.0.{number}.1")
    assert RequestRecord.objects.count() == 8


# The admin and the command


@pytest.mark.usefixtures("pending", "at_once")
def test_admin():
    """The list shows requests, and its search those with an identity."""
    viewer = staff("view_requestrecord", "view_delivery")
    ask("pending@example.com", QUIET)
    engine.drain()
    ask("nobody@example.com")
    delivery = Delivery.objects.get()
    link = f'<a href="/admin/resend_confirmation/delivery/{delivery.pk}/change/">sent</a>'
    page = viewer.get(REQUESTS).content.decode()
    assert link in page
    assert UNKNOWN in page
    page = viewer.get(REQUESTS, {"q": "Pending@example.com"})
    assert [row.delivery for row in page.context["cl"].result_list] == [delivery]
    assert viewer.get(REQUESTS, {"q": "pending@example"}).context["cl"].result_count == 0
    row = RequestRecord.objects.get(delivery=delivery)
    assert link in viewer.get(f"{REQUESTS}{row.pk}/change/").content.decode()
    assert viewer.post(f"{REQUESTS}add/").status_code == 403


@pytest.mark.usefixtures("at_once")
def test_deleted(pending):
    """The record of a request whose account was deleted has no result."""
    viewer = staff("view_requestrecord")
    ask("pending@example.com", QUIET)
    engine.drain()
    get_user_model().objects.get(username="pending").delete()
    assert found("pending@example.com") == [""]
    assert '<td class="field-result">-</td>' in viewer.get(REQUESTS).content.decode()
    row = RequestRecord.objects.get()
    assert viewer.get(f"{REQUESTS}{row.pk}/change/").status_code == 200
    (line,) = Ran("show", "pending@example.com", "--json").lines
    (request,) = json.loads(line)["requests"]
    assert (request["state"], request["reason"], request["result"]) == ("", "", "")


def test_show(clock, seconds):
    """The command shows the requests of an identity, also if it has no account."""
    client = clients.default()
    for quiet in (frozenset(), CONCEALED):
        engine.resend(ResendRequest(identity="ann", client=client, dialect="shop", quiet=quiet))
    records.write()
    ran = Ran("show", "ann")
    assert (ran.code, ran.lines) == (
        1,
        ["request 2030-01-01 12:00+00:00: no matching account, dialect shop, client game"],
    )
    UserFactory(username="ann", email="")
    ran = Ran("show", "ann", "--json")
    assert ran.code == 0
    assert json.loads(ran.lines[-1]) == {
        "identity": "ann",
        "requests": [
            {
                "asked_at": "2030-01-01T12:00:00+00:00",
                "dialect": "shop",
                "client": "game",
                "state": "refused",
                "reason": "unknown",
                "result": "no matching account",
            }
        ],
    }

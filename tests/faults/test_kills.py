"""Couriers killed at any moment lose no message, and repeat one only after an ambiguous attempt."""

from collections import Counter

import pytest

from .conftest import wait_until

pytestmark = pytest.mark.faults

ACCOUNTS = 250
UNDONE = 50
COURIERS = 3


def link_in(message):
    """Return the confirmation link in a message's text."""
    text = message.get_body(("plain",)).get_content()
    return next(word for word in text.split() if "token=" in word)


def drain_with(world, **more):
    """Run couriers, each replaced when it dies, until nothing is on its way."""
    world.start_couriers(COURIERS, **more)
    expected = {f"player{n}@example.com" for n in range(UNDONE, ACCOUNTS)}

    def is_done():
        return set(world.sink.by_recipient()) >= expected and not world.unfinished()

    wait_until(is_done, lambda: f"{world.unfinished()} on their way\n{world.log_text()}")


def test_without_kills_every_message_goes_out_exactly_once(world):
    """200 committed requests make 200 messages; 50 that were rolled back make none."""
    world.serve()
    world.ask(ACCOUNTS, UNDONE)
    drain_with(world)
    received = world.sink.by_recipient()
    assert set(received) == {f"player{n}@example.com" for n in range(UNDONE, ACCOUNTS)}
    assert Counter(map(len, received.values())) == {1: ACCOUNTS - UNDONE}
    assert Counter(row["state"] for row in world.rows()) == {"sent": ACCOUNTS - UNDONE}


def test_kill_nine_loses_nothing(world):
    """A courier that dies before acceptance duplicates nothing; after it, one identical copy."""
    world.serve()
    world.ask(ACCOUNTS, UNDONE)
    drain_with(
        world,
        FAULTS_DEADLINE="4",
        FAULTS_KILL="before_claim_commits=0.05,after_claim=0.05,after_acceptance=0.05,"
        "before_mark=0.05,after_mark=0.05",
    )
    received = world.sink.by_recipient()
    assert set(received) == {f"player{n}@example.com" for n in range(UNDONE, ACCOUNTS)}
    rows = {row["address"]: row for row in world.rows()}
    assert Counter(row["state"] for row in rows.values()) == {"sent": ACCOUNTS - UNDONE}
    deaths = world.deaths()
    assert {point for point, _ in deaths} == {
        "before_claim_commits",
        "after_claim",
        "after_acceptance",
        "before_mark",
        "after_mark",
    }
    after_acceptance = Counter(
        pk for point, pk in deaths if point in {"after_acceptance", "before_mark"}
    )
    for address, messages in received.items():
        row = rows[address]
        assert len(messages) == 1 + after_acceptance[row["pk"]]
        assert {message["Message-ID"] for message in messages} == {row["message_id"]}
        assert len({link_in(message) for message in messages}) == 1

"""The state machine of deliveries: allowed and refused transitions."""

from datetime import UTC, datetime
from itertools import product

import pytest

from resend_confirmation.deliveries import states
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import DeliveryState as S
from resend_confirmation.outcomes import Reason

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
REPORTS = {S.DELIVERED, S.BOUNCED, S.COMPLAINED}
#: The transitions of a delivery without an ambiguous attempt.
STEPS = {
    S.ASKED: {S.QUEUED, S.IGNORED, S.FAILED},
    S.QUEUED: {S.SENDING, S.SUPERSEDED, S.ABANDONED},
    S.SENDING: REPORTS
    | {S.QUEUED, S.SENT, S.FAILED, S.ABANDONED, S.SUPPRESSED, S.SUPERSEDED, S.UNKNOWN},
    S.SENT: REPORTS,
    S.UNKNOWN: REPORTS,
    S.DELIVERED: {S.BOUNCED, S.COMPLAINED},
    S.BOUNCED: {S.COMPLAINED},
}
#: The transitions of a delivery after an ambiguous attempt, which may get reports.
IN_DOUBT = STEPS | {S.QUEUED: REPORTS | {S.SENDING, S.UNKNOWN}}


def row(state, doubts=0):
    return Delivery.objects.create(state=state, doubts=doubts, asked_at=NOON, not_before=NOON)


@pytest.mark.parametrize(("doubts", "steps"), [(0, STEPS), (1, IN_DOUBT)])
def test_steps(doubts, steps):
    """Exactly the table's transitions are allowed; others change nothing."""
    taken: dict[S, set[S]] = {}
    for before, to in product(S, set(S) - {S.ASKED}):
        delivery = row(before, doubts)
        moved = states.move(delivery.pk, to)
        delivery.refresh_from_db()
        assert delivery.state == (to if moved else before)
        if moved:
            taken.setdefault(before, set()).add(to)
    assert taken == steps


@pytest.mark.parametrize(
    ("reason", "first", "later"),
    [
        (Reason.NONE, (S.SENT, Reason.NONE), (S.SENT, Reason.NONE)),
        (Reason.REFUSED, (S.FAILED, Reason.REFUSED), (S.UNKNOWN, Reason.DOUBTFUL)),
        (Reason.INTERRUPTED, (S.FAILED, Reason.INTERRUPTED), (S.UNKNOWN, Reason.DOUBTFUL)),
        (Reason.TOO_LATE, (S.FAILED, Reason.TOO_LATE), (S.FAILED, Reason.TOO_LATE)),
        (Reason.BLOCKED, (S.ABANDONED, Reason.BLOCKED), (S.ABANDONED, Reason.BLOCKED)),
        (Reason.SUPPRESSED, (S.SUPPRESSED, Reason.SUPPRESSED), (S.SUPPRESSED, Reason.SUPPRESSED)),
        (Reason.SUPERSEDED, (S.SUPERSEDED, Reason.SUPERSEDED), (S.UNKNOWN, Reason.SUPERSEDED)),
    ],
)
def test_endings(reason, first, later):
    """After an ambiguous attempt the end is "unknown", since the message may have been sent."""
    assert states.ending(reason, doubts=0) == first
    assert states.ending(reason, doubts=1) == later


def test_the_lease_ends():
    """A transition from sending clears the lease, and a final one sets ``ended_at``."""
    delivery = row(S.QUEUED)
    assert states.move(delivery.pk, S.SENDING, lease_owner="one", lease_until=NOON)
    assert states.move(delivery.pk, S.SENT)
    delivery.refresh_from_db()
    assert (delivery.lease_owner, delivery.lease_until, delivery.ended_at) == ("", None, None)
    assert states.move(delivery.pk, S.BOUNCED)
    delivery.refresh_from_db()
    assert delivery.ended_at is not None

"""PostgreSQL with values that the server binds, and with prepared statements."""

import pytest
from django.core import mail
from django.db import connection, connections

from resend_confirmation import clients, engine
from resend_confirmation.deliveries import outbox
from resend_confirmation.engine import ResendRequest
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import CONCEALED, Outcome

from .factories import PendingFactory
from .test_command import Ran

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="an option for PostgreSQL"),
]


@pytest.fixture
def prepared(monkeypatch):
    """Bind values in the server, and prepare each statement when it is first executed."""
    wrapper = connections["default"]
    wrapper.close()
    options = {"server_side_binding": True, "prepare_threshold": 0}
    changed = {**wrapper.settings_dict, "OPTIONS": {**wrapper.settings_dict["OPTIONS"], **options}}
    monkeypatch.setattr(wrapper, "settings_dict", changed)
    yield
    wrapper.close()


@pytest.mark.parametrize("quiet", [frozenset(), CONCEALED], ids=["candid", "quiet"])
def test_round_trip(prepared, quiet, clock):
    """Requests, look-ups and a batch of a courier work, a second time with known statements."""
    addresses = [f"user{number}@example.com" for number in range(5)]
    for number, address in enumerate(addresses):
        PendingFactory.create(username=str(number), email=address)
    for _ in range(2):
        for address in addresses:
            request = ResendRequest(identity=address, client=clients.default(), quiet=quiet)
            assert engine.resend(request).ending is Outcome.SENT
        while not engine.drain().idle:
            pass
        assert sorted(message.to[0] for message in mail.outbox) == addresses
        mail.outbox.clear()
        clock.move(minutes=2)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%INSERT%'"
        )
        assert cursor.fetchone()[0] > 0
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_a_bulk_run(prepared):
    """The database copies the deliveries of a batch."""
    for number in range(outbox.FEW):
        PendingFactory.create(username=str(number))
    assert Ran("send", "--pending").lines == ["queued: 20"]
    assert set(Delivery.objects.values_list("state", "priority", "reason")) == {("queued", 1, "")}

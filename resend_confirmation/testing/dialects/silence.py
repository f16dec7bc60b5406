"""Tests that quiet dialects do not reveal whether an account exists, or its state."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ... import engine
from ...addresses import Address
from ...engine import backlog
from ...limits import suppression
from ...models import Confirmation, Cooldown, Delivery, Suppression
from ...outcomes import DeliveryState, Ending, Outcome, Refusal
from ...signals import delivery_changed, ended
from .case import ADDRESS, Case, Request
from .contract import Contract, expand, where
from .endings import OURS
from .site import Site

CONTROL = re.compile(r"BEGIN|SAVEPOINT|RELEASE|COMMIT|ROLLBACK|SET |START TRANSACTION")

#: States of an account, and conditions that prevent a message to it.
KINDS = (
    "unknown",
    "pending",
    "confirmed",
    "blocked",
    "withdrawn",
    "not enabled",
    "suppressed",
    "cooling down",
)

STATES = [
    Outcome.UNKNOWN,
    Outcome.SENT,
    Outcome.CONFIRMED,
    Outcome.BLOCKED,
    Refusal.NOT_ENABLED,
    Outcome.COOLING_DOWN,
]


@dataclass(frozen=True)
class Seen:
    """Everything observable of one request: response, SQL statements and signals."""

    status: int
    body: bytes
    headers: dict[str, str]
    statements: list[str]
    control: list[str]
    told: list[Any]


def look(site: Site, request: Request) -> Seen:
    """Send a request and record the response, the SQL statements and the signals."""
    statements: list[str] = []
    told: list[Any] = []

    def note(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        # The name of a savepoint contains the thread's number and a counter.
        statements.append(re.sub(r"s\d+_x\d+", "savepoint", sql))
        return execute(sql, params, many, context)

    def hear(sender: Any, **given: Any) -> None:
        # Left out: the client, which the caller chooses, and the row's id, which is a counter.
        kept = {"dialect", "ending", "state", "reason"}
        told.append({key: value for key, value in given.items() if key in kept})

    ended.connect(hear)
    delivery_changed.connect(hear)
    try:
        with connection.execute_wrapper(note), CaptureQueriesContext(connection) as captured:
            response = site.send(request)
    finally:
        ended.disconnect(hear)
        delivery_changed.disconnect(hear)
    control = [CONTROL.match(query["sql"]) for query in captured.captured_queries]
    return Seen(
        response.status_code,
        response.content,
        dict(response.headers),
        statements,
        [found[0] for found in control if found],
        told,
    )


def assert_one_and_the_same(found: dict[str, list[Seen]]) -> None:
    """Assert that every kind looks like an unknown account, and that it ended as SENT."""
    for kind, seen in found.items():
        assert seen == found["unknown"], kind
        assert all("Retry-After" not in each.headers for each in seen), kind
        endings = [told["ending"] for each in seen for told in each.told if "ending" in told]
        assert endings == [Outcome.SENT] * len(seen), kind


def quietly(case: Case) -> list[tuple[Any]]:
    """Return the values of QUIET under which the case is quiet.

    They include the empty one if the table itself is quiet.
    """
    return [("all",), ((),)] if case.is_quiet else [("all",)]


class Silence(Contract):
    """Tests that a quiet dialect reveals nothing, by its responses or by its side effects."""

    #: The kinds to compare. A subclass that adds some overrides ``bring_about`` as well.
    kinds: ClassVar[Sequence[str]] = KINDS

    @pytest.mark.parametrize(
        ("setting", "ending"),
        [*(("all", ending) for ending in STATES), ("listed", Outcome.UNKNOWN)],
        ids=str,
    )
    def test_quiet(self, case: Case, ending: Ending, setting: Any, site: Site) -> None:
        """Under the host's QUIET, all endings that depend on the account look the same."""
        site.configure(QUIET=[case.view.dialect] if setting == "listed" else setting)
        response = site.send(site.arrange(case, ending))
        expected = case.endings[Outcome.SENT]
        assert (response.status_code, response.content) == (expected.status, expected.body)
        assert dict(response.headers) == {
            **expected.headers,
            **OURS,
            "Content-Length": str(len(expected.body)),
            "Cross-Origin-Opener-Policy": "same-origin",
            "X-Frame-Options": "DENY",
        }
        assert Delivery.objects.latest("pk").state == DeliveryState.ASKED

    @pytest.mark.parametrize("ending", [Refusal.THROTTLED, Refusal.WRONG_METHOD], ids=str)
    def test_quiet_tells_of_the_caller(self, case: Case, ending: Ending, site: Site) -> None:
        """Endings that depend only on the caller are not quiet, even under QUIET."""
        site.configure(QUIET="all")
        assert site.reply(site.arrange(case, ending)) == case.endings[ending]

    def test_quiet_for_another_dialect(self, case: Case, site: Site) -> None:
        """QUIET for one dialect does not silence the others."""
        site.configure(QUIET=["another"])
        assert site.reply(case.request_for(ADDRESS)) == case.endings[Outcome.UNKNOWN]

    def bring_about(self, site: Site, case: Case, kind: str) -> Request:
        """Delete all rows, bring ADDRESS into the state ``kind`` and return a request for it."""
        for model in (Delivery, Confirmation, Cooldown, Suppression, get_user_model()):
            model._default_manager.all().delete()
        backlog.reset()
        site.configure(CLIENTS=self._clients)
        request = (
            case.request_for(ADDRESS, client="kiosk")
            if kind == "not enabled"
            else case.request_for(ADDRESS)
        )
        match kind:
            case "unknown":
                pass
            case "confirmed":
                site.make_account("pending", ADDRESS)
            case _:
                site.pending(is_active=kind != "blocked")
        self._complicate(site, kind, request)
        # The setup must not count towards the backlog.
        backlog.reset()
        return request

    def _complicate(self, site: Site, kind: str, request: Request) -> None:
        match kind:
            case "withdrawn":
                engine.withdraw(Confirmation.objects.get())
            case "not enabled":
                site.default_client("kiosk")
            case "suppressed":
                address = Address.parse(ADDRESS)
                assert address is not None
                suppression.suppress(address, Suppression.Why.BOUNCED)
            case "cooling down":
                site.send(request)
                site.delivered()
                site.clock.epoch += 15

    @pytest.fixture(autouse=True)
    def _remember_clients(self, site: Site) -> None:
        self._clients = site.settings.RESEND_CONFIRMATION["CLIENTS"]

    @expand("quiet", rows=quietly)
    @pytest.mark.parametrize(
        ("is_atomic", "neighbours"),
        [(False, 0), (True, 3)],
        ids=["autocommit, no cooldowns", "ATOMIC_REQUESTS, cooldowns"],
    )
    @pytest.mark.django_db(transaction=True)
    def test_silence(
        self,
        case: Case,
        quiet: Any,
        is_atomic: bool,
        neighbours: int,
        site: Site,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Bytes, headers, statements and signals are the same for every kind of account.

        The same holds for a second request at once, and for a third one after the courier ran.
        """
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", is_atomic)
        assert site.clock.epoch
        site.configure(QUIET=quiet)
        found = {}
        for kind in self.kinds:
            request = self.bring_about(site, case, kind)
            _cool_neighbours(neighbours)
            first, second = look(site, request), look(site, request)
            site.delivered()
            found[kind] = [first, second, look(site, request)]
        assert_one_and_the_same(found)
        statements = found["unknown"][0].statements
        assert [sql.split()[0] for sql in statements if not CONTROL.match(sql)].count("INSERT") == 1

    @where(lambda case: case.hides_unknown and case.takes_names)
    @pytest.mark.parametrize("order", [(ADDRESS, "pending"), ("pending", ADDRESS)], ids=repr)
    @pytest.mark.django_db(transaction=True)
    def test_no_name_is_linked_to_an_address(
        self, case: Case, order: Sequence[str], site: Site
    ) -> None:
        """Requests by address and by user name are answered as for an unknown account.

        An answer may only reveal the cooldown of the identity that was typed.
        """
        assert site.clock.epoch
        found: dict[str, list[Seen]] = {}
        for kind in ("unknown", "pending"):
            self.bring_about(site, case, kind)
            found[kind] = []
            for identity in (*order, *order):
                found[kind].append(look(site, case.request_for(identity)))
                site.delivered()
                site.clock.epoch += 1
        assert found["pending"] == found["unknown"]

    @expand("quiet", rows=quietly)
    def test_a_host_that_listens(self, case: Case, quiet: Any, site: Site) -> None:
        """A failing receiver of ``ended`` has no visible effect, for any kind of account."""

        def fail(sender: Any, **given: Any) -> None:
            raise RuntimeError(ADDRESS)

        assert site.clock.epoch
        site.configure(QUIET=quiet)
        expected = look(site, self.bring_about(site, case, "unknown"))
        ended.connect(fail)
        try:
            found = {kind: [look(site, self.bring_about(site, case, kind))] for kind in self.kinds}
        finally:
            ended.disconnect(fail)
        assert_one_and_the_same(found)
        assert found["unknown"] == [expected]


def _cool_neighbours(count: int) -> None:
    now = timezone.now()
    for number in range(count):
        Cooldown.objects.create(
            digest=f"{number:064}",
            last_at=now,
            hour_from=now,
            hour_count=1,
            day_from=now,
            day_count=1,
        )

"""Tests of throttled requests and of crashes: the vendor's response and the rollback."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.db import connections

from ... import engine
from ...dialects.base import QUIET
from ...engine import backlog
from ...outcomes import Outcome, Refusal
from .case import ADDRESS, Case
from .contract import Contract, where
from .site import CALLED, Site


def assert_logged(caplog: Any, dialect: str) -> None:
    """Assert that one error was logged, with the stack but without error text and address."""
    (record,) = (r for r in caplog.records if r.levelno >= logging.ERROR)
    assert (record.name, record.getMessage()) == (
        "resend_confirmation",
        f"{dialect} could not answer (CrashError)",
    )
    assert record.exc_info is None
    assert "in crash" in record.stack_info
    assert "kaboom" not in caplog.text
    assert ADDRESS not in caplog.text


class Failing(Contract):
    """Tests of failures that do not depend on the account."""

    def test_throttled(self, case: Case, site: Site) -> None:
        """At two requests a minute, the third one in a minute is refused and changes nothing."""
        site.clock.epoch -= CALLED
        site.configure(THROTTLE="2/m")
        for _ in range(2):
            assert site.reply(case.request_for("\x07")) == case.endings[Refusal.INVALID]
        site.clock.epoch += CALLED
        site.make_account("pending", ADDRESS)
        with site.assert_unchanged():
            assert site.reply(case.request_for(ADDRESS)) == case.endings[Refusal.THROTTLED]
        site.clock.epoch += 38
        assert site.reply(case.request_for("\x07")) == case.endings[Refusal.INVALID]

    @pytest.fixture
    def exceptions(self) -> Iterator[list[tuple[Any, str]]]:
        """Yield a list of the senders and methods for which ``got_request_exception`` was sent."""
        seen = []

        def receive(sender: Any, request: Any, **kwargs: Any) -> None:
            seen.append((sender, request.method))

        got_request_exception.connect(receive)
        yield seen
        got_request_exception.disconnect(receive)

    def test_crash_in_the_engine(
        self, case: Case, site: Site, caplog: Any, exceptions: list[tuple[Any, str]]
    ) -> None:
        """A crash gets the vendor's response, is logged and sends ``got_request_exception``."""
        site.pending()
        site.crash(engine, "resend")
        with site.assert_unchanged():
            assert site.reply(case.request_for(ADDRESS)) == case.endings[Refusal.FAILED]
        assert_logged(caplog, case.view.dialect)
        assert exceptions == [(case.view, case.view.method.upper())]

    @pytest.mark.parametrize("where", ["find_client", "success_body", "path_values"])
    def test_crash_in_the_dialect(
        self, case: Case, where: str, site: Site, caplog: Any, exceptions: list[tuple[Any, str]]
    ) -> None:
        """A crash in the dialect's own methods is answered and logged in the same way."""
        site.pending()
        site.crash(case.view, where)
        assert site.reply(case.request_for(ADDRESS)) == case.endings[Refusal.FAILED]
        assert_logged(caplog, case.view.dialect)
        assert len(exceptions) == 1

    @pytest.fixture(params=[False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
    def transactions(self, request: Any, monkeypatch: Any) -> None:
        """Run the test with and without a transaction for each request."""
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", request.param)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("transactions")
    @pytest.mark.parametrize("quiet", [(), "all"], ids=repr)
    def test_crash_is_rolled_back(self, case: Case, quiet: Any, site: Site) -> None:
        """A crash undoes all writes, with and without ATOMIC_REQUESTS, and nothing is sent."""
        site.configure(QUIET=quiet)
        site.pending()
        site.crash(case.view, "success_body")
        with site.assert_unchanged():
            assert site.reply(case.request_for(ADDRESS)) == case.endings[Refusal.FAILED]

    @where(lambda case: case.view.answers[Outcome.UNKNOWN] is QUIET)
    @pytest.mark.django_db(transaction=True)
    def test_crash_for_an_unknown_identity_is_rolled_back(self, case: Case, site: Site) -> None:
        """A crash rolls back the rows written for an address without an account, too."""
        site.crash(case.view, "success_body")
        with site.assert_unchanged():
            assert (
                site.reply(case.request_for("nobody@example.com")) == case.endings[Refusal.FAILED]
            )

    @where(lambda case: case.is_quiet)
    @pytest.mark.django_db(transaction=True)
    def test_failed_look_at_the_backlog_is_rolled_back(self, case: Case, site: Site) -> None:
        """A crash while the backlog is counted is rolled back, too."""
        site.monkeypatch.setattr(backlog, "CHECK_INTERVAL", 1)
        site.crash(backlog.unanswered, "check")
        with site.assert_unchanged():
            assert site.reply(case.request_for(ADDRESS)) == case.endings[Refusal.FAILED]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("transactions")
    def test_success_is_committed(self, case: Case, site: Site) -> None:
        """A request that succeeds is committed."""
        site.pending()
        assert site.reply(case.request_for(ADDRESS)) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

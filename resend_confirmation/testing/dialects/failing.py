"""Too many requests, and a crash inside: answered in the vendor's words, and taken back."""

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
    """One record, with the frames, and nothing of the exception's text or the address."""
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
    """What is no fault of the caller's account."""

    def test_throttled(self, case: Case, site: Site) -> None:
        """The third request of a minute, at two a minute, is refused, and refused for nothing."""
        site.clock.epoch -= CALLED
        site.configure(THROTTLE="2/m")
        for _ in range(2):
            assert site.reply(case.ask("\x07")) == case.endings[Refusal.INVALID]
        site.clock.epoch += CALLED
        site.make_account("pending", ADDRESS)
        with site.assert_unchanged():
            assert site.reply(case.ask(ADDRESS)) == case.endings[Refusal.THROTTLED]
        site.clock.epoch += 38
        assert site.reply(case.ask("\x07")) == case.endings[Refusal.INVALID]

    @pytest.fixture
    def exceptions(self) -> Iterator[list[tuple[Any, str]]]:
        """What ``got_request_exception`` was sent for."""
        seen = []

        def receive(sender: Any, request: Any, **kwargs: Any) -> None:
            seen.append((sender, request.method))

        got_request_exception.connect(receive)
        yield seen
        got_request_exception.disconnect(receive)

    def test_crash_in_the_engine(
        self, case: Case, site: Site, caplog: Any, exceptions: list[tuple[Any, str]]
    ) -> None:
        """A crash is answered in the vendor's words; the log and the signal get the traceback."""
        site.pending()
        site.crash(engine, "resend")
        with site.assert_unchanged():
            assert site.reply(case.ask(ADDRESS)) == case.endings[Refusal.FAILED]
        assert_logged(caplog, case.view.dialect)
        assert exceptions == [(case.view, case.view.method.upper())]

    @pytest.mark.parametrize("where", ["find_client", "success_body", "path_values"])
    def test_crash_in_the_dialect(
        self, case: Case, where: str, site: Site, caplog: Any, exceptions: list[tuple[Any, str]]
    ) -> None:
        """So is a crash before the engine is asked, and one after."""
        site.pending()
        site.crash(case.view, where)
        assert site.reply(case.ask(ADDRESS)) == case.endings[Refusal.FAILED]
        assert_logged(caplog, case.view.dialect)
        assert len(exceptions) == 1

    @pytest.fixture(params=[False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
    def transactions(self, request: Any, monkeypatch: Any) -> None:
        """With and without a transaction for each request."""
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", request.param)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("transactions")
    @pytest.mark.parametrize("quiet", [(), "all"], ids=repr)
    def test_crash_is_rolled_back(self, case: Case, quiet: Any, site: Site) -> None:
        """A crash takes back what the engine wrote, ATOMIC_REQUESTS or not; no message goes out."""
        site.configure(QUIET=quiet)
        site.pending()
        site.crash(case.view, "success_body")
        with site.assert_unchanged():
            assert site.reply(case.ask(ADDRESS)) == case.endings[Refusal.FAILED]

    @where(lambda case: case.view.answers[Outcome.UNKNOWN] is QUIET)
    @pytest.mark.django_db(transaction=True)
    def test_crash_over_nobody_is_rolled_back(self, case: Case, site: Site) -> None:
        """Nor does a crash leave the row and the cooldown of somebody who has no account."""
        site.crash(case.view, "success_body")
        with site.assert_unchanged():
            assert site.reply(case.ask("nobody@example.com")) == case.endings[Refusal.FAILED]

    @where(lambda case: case.is_quiet)
    @pytest.mark.django_db(transaction=True)
    def test_failed_look_at_the_backlog_is_rolled_back(self, case: Case, site: Site) -> None:
        """Nor does one in the count of those who wait."""
        site.crash(backlog, "inserted")
        with site.assert_unchanged():
            assert site.reply(case.ask(ADDRESS)) == case.endings[Refusal.FAILED]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("transactions")
    def test_success_is_committed(self, case: Case, site: Site) -> None:
        """An ask that ends well stays."""
        site.pending()
        assert site.reply(case.ask(ADDRESS)) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

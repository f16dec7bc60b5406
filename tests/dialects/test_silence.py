"""Silence: an outsider sees the same answer for every identity and every result."""

import smtplib

import pytest

from resend_confirmation.engine import backlog
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import DeliveryState, Reason
from resend_confirmation.testing.dialects import Silence
from resend_confirmation.testing.dialects.contract import expand
from resend_confirmation.testing.dialects.silence import (
    KINDS,
    assert_one_and_the_same,
    look,
    quietly,
)

from .cases import ADDRESS, first_cases

CASES = first_cases()

#: The reply of a mail server to every message of a test.
MAIL_FAULTS: dict[str, BaseException] = {
    "mail server away": ConnectionRefusedError(),
    "recipient refused": smtplib.SMTPRecipientsRefused({ADDRESS: (550, b"no")}),
    "mail settings wrong": smtplib.SMTPAuthenticationError(535, b"no"),
    "mail ambiguous": smtplib.SMTPDataError(0, b""),
}
#: The kinds with what their first request comes to, for the proof that they are what they say.
BECOMES = {
    "unknown": (DeliveryState.IGNORED, Reason.UNKNOWN),
    "pending": (DeliveryState.SENT, Reason.NONE),
    "confirmed": (DeliveryState.IGNORED, Reason.CONFIRMED),
    "blocked": (DeliveryState.IGNORED, Reason.BLOCKED),
    "withdrawn": (DeliveryState.IGNORED, Reason.BLOCKED),
    "not enabled": (DeliveryState.IGNORED, Reason.NOT_ENABLED),
    "suppressed": (DeliveryState.SUPPRESSED, Reason.SUPPRESSED),
    "cooling down": (DeliveryState.IGNORED, Reason.COOLING_DOWN),
    "mail server away": (DeliveryState.QUEUED, Reason.NOT_ACCEPTED),
    "recipient refused": (DeliveryState.FAILED, Reason.REFUSED),
    "mail settings wrong": (DeliveryState.QUEUED, Reason.CONFIGURATION),
    "mail ambiguous": (DeliveryState.QUEUED, Reason.DOUBTFUL),
}


def of_the_last(case):
    """The settings under which the last of the cases is quiet, and none of the others."""
    return quietly(case)[-1:] if case is CASES[-1] else []


@pytest.mark.database
class TestSilence(Silence):
    """The contract, with a mail server that fails in every way, and a backlog that is full."""

    cases = CASES
    kinds = (*KINDS, *MAIL_FAULTS)

    @pytest.fixture(autouse=True)
    def _mail(self, script):
        self.script = script

    def bring_about(self, site, case, kind):
        """Lay out what the mail server says, too."""
        self.script.clear()
        request = super().bring_about(site, case, "pending" if kind in MAIL_FAULTS else kind)
        self.script[:] = [MAIL_FAULTS[kind]] * 9 if kind in MAIL_FAULTS else []
        return request

    # Slow tests that are the same for every dialect:

    @pytest.mark.parametrize("kind", BECOMES)
    @expand("quiet", rows=of_the_last)
    def test_kinds_lead_to_their_states(self, case, quiet, kind, site):
        """The compared cases really differ: each reaches a different end."""
        assert site.clock.epoch
        site.configure(QUIET=quiet)
        site.send(self.bring_about(site, case, kind))
        site.delivered()
        delivery = Delivery.objects.latest("pk")
        assert (delivery.state, delivery.reason) == BECOMES[kind]

    @expand("quiet", rows=of_the_last)
    def test_silence_of_a_full_backlog(self, case, quiet, site, monkeypatch):
        """Every so many requests one looks at the backlog, and all are dropped alike."""
        assert site.clock.epoch
        monkeypatch.setattr(backlog, "CHECK_INTERVAL", 16)
        site.configure(QUIET=quiet, BACKLOG=10)
        found = {}
        for kind in self.kinds:
            request = self.bring_about(site, case, kind)
            seen = [look(site, request), look(site, request)]
            for _ in range(12):
                site.send(request)
            found[kind] = [*seen, look(site, request), look(site, request), look(site, request)]
        assert_one_and_the_same(found)
        verbs = [[sql.split()[0] for sql in each.statements] for each in found["unknown"]]
        kept = [[verb for verb in each if verb in {"INSERT", "SELECT"}] for each in verbs]
        assert kept == [["INSERT"], ["INSERT"], ["INSERT"], ["INSERT", "SELECT"], []]

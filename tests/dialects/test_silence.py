"""Silence: under QUIET the response is the same for all identities and results."""

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

#: Errors of the mail server.
MAIL_FAULTS: dict[str, BaseException] = {
    "mail server down": ConnectionRefusedError(),
    "recipient refused": smtplib.SMTPRecipientsRefused({ADDRESS: (550, b"no")}),
    "mail settings wrong": smtplib.SMTPAuthenticationError(535, b"no"),
    "mail ambiguous": smtplib.SMTPDataError(0, b""),
}
#: The final state of each kind's first request, to verify that the kinds differ.
BECOMES = {
    "unknown": (DeliveryState.IGNORED, Reason.UNKNOWN),
    "pending": (DeliveryState.SENT, Reason.NONE),
    "confirmed": (DeliveryState.IGNORED, Reason.CONFIRMED),
    "blocked": (DeliveryState.IGNORED, Reason.BLOCKED),
    "withdrawn": (DeliveryState.IGNORED, Reason.BLOCKED),
    "not enabled": (DeliveryState.IGNORED, Reason.NOT_ENABLED),
    "suppressed": (DeliveryState.SUPPRESSED, Reason.SUPPRESSED),
    "cooling down": (DeliveryState.IGNORED, Reason.COOLING_DOWN),
    "mail server down": (DeliveryState.QUEUED, Reason.NOT_ACCEPTED),
    "recipient refused": (DeliveryState.FAILED, Reason.REFUSED),
    "mail settings wrong": (DeliveryState.QUEUED, Reason.CONFIGURATION),
    "mail ambiguous": (DeliveryState.QUEUED, Reason.DOUBTFUL),
}


def of_the_last(case):
    """Return the settings that make the last case quiet; other cases are left out."""
    return quietly(case)[-1:] if case is CASES[-1] else []


@pytest.mark.database
class TestSilence(Silence):
    """The contract, with errors of the mail server and a full backlog."""

    cases = CASES
    kinds = (*KINDS, *MAIL_FAULTS)

    @pytest.fixture(autouse=True)
    def _mail(self, script):
        self.script = script

    def bring_about(self, site, case, kind):
        """Prepare the mail server's errors too."""
        self.script.clear()
        request = super().bring_about(site, case, "pending" if kind in MAIL_FAULTS else kind)
        self.script[:] = [MAIL_FAULTS[kind]] * 9 if kind in MAIL_FAULTS else []
        return request

    # Slow tests, for one dialect only

    @pytest.mark.parametrize("kind", BECOMES)
    @expand("quiet", rows=of_the_last)
    def test_kinds_lead_to_their_states(self, case, quiet, kind, site):
        """Each kind leads to its final state."""
        assert site.clock.epoch
        site.configure(QUIET=quiet)
        site.send(self.bring_about(site, case, kind))
        site.delivered()
        delivery = Delivery.objects.latest("pk")
        assert (delivery.state, delivery.reason) == BECOMES[kind]

    @expand("quiet", rows=of_the_last)
    def test_silence_of_a_full_backlog(self, case, quiet, site, monkeypatch):
        """The backlog is counted in every 16th request, and all kinds are dropped."""
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

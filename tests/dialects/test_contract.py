"""The contract for all dialects of the package, and the queries of each request."""

from importlib.util import find_spec

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from resend_confirmation import engine, start
from resend_confirmation.engine import backlog, records
from resend_confirmation.engine.loop import BATCH
from resend_confirmation.outcomes import ENDINGS, Outcome, Refusal
from resend_confirmation.testing.dialects import (
    BadInput,
    Contract,
    DialectContract,
    Document,
    Endings,
    Failing,
    Identities,
    Trust,
)
from resend_confirmation.testing.dialects.silence import CONTROL, STATES
from tests.factories import UserFactory

from .cases import (
    ADDRESS,
    Reply,
    Request,
    all_cases,
    expected,
    first_cases,
    module_of,
    package_dialects,
    vendor_cases,
)

CASES, VENDORS = first_cases(), vendor_cases()

every_case = pytest.mark.parametrize("case", CASES, ids=str)


# The contract that hosts can use too; test_headers and test_silence run the rest of it. For other
# versions of Django one dialect of each vendor is enough, and for other databases those rules that
# read or write rows.


@pytest.mark.database
@pytest.mark.django
class TestRows(Endings, Identities, Failing):
    """The rules about rows, for one dialect of each vendor."""

    cases = VENDORS


@pytest.mark.django
class TestInput(BadInput, Trust, Document):
    """The rules about input, for one dialect of each vendor."""

    cases = VENDORS


class TestFurtherDialects(Endings, BadInput, Identities, Trust, Failing, Document):
    """All of these rules, for the other dialects."""

    cases = [case for case in CASES if case not in VENDORS]


class TestOtherUrls(Contract):
    """The rules that depend on the URL, for other URLs of a view.

    The vendor's test module tests each ending at each URL.
    """

    cases = [case for case in all_cases() if case not in CASES]

    test_sent = Endings.test_sent
    test_trailing_slash = Endings.test_trailing_slash
    test_wrong_method = Endings.test_wrong_method
    test_any_text_in_query_and_headers = BadInput.test_any_text_in_query_and_headers
    test_raw_latin_1 = Identities.test_raw_latin_1
    test_throttled = Failing.test_throttled


def test_other_urls():
    """The classes above cover all cases: six dialects, and four other URLs."""
    assert len(CASES) == len({case.view.dialect for case in all_cases()}) == 6
    assert len(TestOtherUrls.cases) == 4
    assert len(VENDORS) == 4
    assert len(TestFurtherDialects.cases) == 2


def test_delivered_drains_to_the_end(site):
    """``delivered`` sends all messages, even if they need several rounds."""
    for number in range(BATCH + 5):
        start(UserFactory.create(username=f"player{number}"))
    assert len(site.delivered()) == BATCH + 5
    assert engine.drain().idle


def test_untouched_notices_a_delivery(site):
    """``assert_unchanged`` detects a queued message."""
    user = UserFactory.create(username="pending")
    with pytest.raises(AssertionError), site.assert_unchanged():
        start(user)


@pytest.mark.parametrize("view", package_dialects(), ids=lambda view: view.dialect)
class TestDialectIsComplete:
    """Rules for dialects that are part of the package."""

    def test_module(self, view):
        """There is a test module with the vendor's name."""
        assert find_spec(module_of(view)) is not None

    def test_cases(self, view):
        """The dialect has cases, with expected replies for all endings."""
        cases = [case for case in all_cases() if case.view.dialect == view.dialect]
        assert cases
        assert all(set(case.endings) == set(ENDINGS) for case in cases)


def test_no_test_of_the_contract_hides_another():
    """The parts of the contract have no test with the same name, which would replace another."""
    parts = [part for part in DialectContract.__bases__ if part is not Contract]
    names = [name for part in parts for name in vars(part) if name.startswith("test_")]
    assert sorted(names) == sorted(set(names))
    assert len(parts) == 8


def test_dialects_of_the_package():
    """The package has six dialects."""
    assert sorted(view.dialect for view in package_dialects()) == [
        "backendless",
        "quiva",
        "strapi",
        "strapi-v4",
        "xsolla-jwt",
        "xsolla-oauth2",
    ]


# Statements per request


@pytest.fixture
def statements(send, monkeypatch):
    """Return a function that returns a request's statements, except transaction control.

    The record of a refused request is left out: it is written after the response.
    """
    monkeypatch.setattr(backlog, "CHECK_INTERVAL", 10**12)
    monkeypatch.setattr(records, "write_if_due", lambda: None)

    def statements(request: Request) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            send(request)
        found = [query["sql"] for query in captured.captured_queries]
        return [sql for sql in found if not CONTROL.match(sql)]

    return statements


def verbs(statements: list[str]) -> list[str]:
    # Except for SQLite, the parts of a UNION are in parentheses.
    return [sql.split()[0].lstrip("(") for sql in statements]


quiet_or_silenced = pytest.mark.parametrize(
    ("case", "quiet"),
    [(case, "all") for case in CASES] + [(case, ()) for case in CASES if case.is_quiet],
    ids=str,
)


@pytest.mark.database
@quiet_or_silenced
@pytest.mark.parametrize("ending", STATES, ids=str)
def test_statements_of_a_quiet_request(case, quiet, ending, arrange, statements, configure):
    """A quiet request is one INSERT for every identity, without a look-up of the account."""
    configure(QUIET=quiet)
    found = statements(arrange(case, ending))
    assert verbs(found) == ["INSERT"]
    assert "auth_user" not in found[0]


CANDID = [case for case in CASES if not case.is_quiet]
candid = pytest.mark.parametrize("case", CANDID, ids=str)


@pytest.mark.database
@candid
def test_statements_of_a_candid_request(case, statements, pending, clock):
    """A candid request takes four statements, and fewer once the address has a cooldown row.

    If unknown accounts are concealed, the users are read for every address.
    """
    reads = ["SELECT"] if case.is_candid else ["SELECT", "SELECT"]
    first = verbs(statements(case.request_for(ADDRESS)))
    assert first == [*reads, "UPDATE", "INSERT", "INSERT"]
    clock.epoch += 61
    in_one = case.is_candid and connection.vendor == "postgresql"
    written = ["WITH"] if in_one else ["UPDATE", "INSERT"]
    assert verbs(statements(case.request_for(ADDRESS))) == reads + written


@pytest.mark.database
@pytest.mark.parametrize("case", [case for case in CASES if case.is_candid], ids=str)
@pytest.mark.parametrize("ending", [o for o in Outcome if o is not Outcome.SENT], ids=str)
def test_statements_of_a_refused_request(case, ending, arrange, statements):
    """A request that the engine refuses only looks up the account.

    These accounts are without a confirmation, apart from the one that is cooling down.
    """
    reads = ["SELECT"] if ending is Outcome.COOLING_DOWN else ["SELECT", "SELECT"]
    assert verbs(statements(arrange(case, ending))) == reads


@every_case
@pytest.mark.parametrize("ending", [e for e in ENDINGS if isinstance(e, Refusal)], ids=str)
def test_statements_without_a_question(case, ending, arrange, statements):
    """A request that is refused before the engine is called takes no statement."""
    request = arrange(case, ending)
    quiet = case.is_quiet and ending is Refusal.NOT_ENABLED
    assert verbs(statements(request)) == (["INSERT"] if quiet else [])


@pytest.mark.database
class TestUnknownIsQuiet:
    """strapi-v4 conceals UNKNOWN but reveals CONFIRMED and BLOCKED.

    So UNKNOWN takes the same statements as a pending account. The cooldown that is read with an
    account is not used, since it would make known addresses faster.
    """

    CASE = next(case for case in CASES if case.name == "strapi-v4")

    @pytest.mark.parametrize("ending", [Outcome.SENT, Outcome.UNKNOWN], ids=str)
    def test_statements(self, ending, arrange, statements, clock):
        """Known and unknown addresses take the same statements, also within the cooldown."""
        request = arrange(self.CASE, ending)
        reads = ["SELECT", "SELECT"]
        assert verbs(statements(request)) == [*reads, "UPDATE", "INSERT", "INSERT"]
        clock.epoch += 15
        # Only the count: MariaDB's driver does not report the text of an INSERT that failed.
        assert len(statements(request)) == 5
        clock.epoch += 61
        assert verbs(statements(request)) == [*reads, "UPDATE", "INSERT"]

    @pytest.mark.parametrize("ending", [Outcome.CONFIRMED, Outcome.BLOCKED], ids=str)
    def test_statements_of_a_revealed_ending(self, ending, arrange, statements):
        """For a revealed ending only the account is looked up."""
        assert verbs(statements(arrange(self.CASE, ending))) == ["SELECT", "SELECT"]


@pytest.mark.parametrize("path", ["/api/user/", "/accounts/x", "/auth/", "/v1/users/x"])
def test_neighbouring_paths(path, reply):
    """Similar paths do not belong to the package."""
    assert reply(Request(path=path)).status == 404


def test_expected_replies_are_compared_exactly():
    """Replies with another body, status or header are not equal."""
    assert expected(400, b"{}") == Reply(400, b"{}", {"Content-Type": "application/json"})
    assert expected(400, b"{}") != expected(400, b"{}", {"Retry-After": "1"})
    assert expected(204) != expected(204, b"{}")

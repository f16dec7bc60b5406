"""``manage.py resend_confirmation import``: what each row does, and files that are damaged."""

import io
import json
import signal
from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from resend_confirmation import accounts, engine, start
from resend_confirmation.accounts import ConfirmationStore, users
from resend_confirmation.engine.importing import Entry, ImportEnding, bring_in
from resend_confirmation.management import export_file, importing
from resend_confirmation.models import Confirmation, Delivery
from resend_confirmation.outcomes import Standing
from resend_confirmation.signals import confirmed as confirmed_signal

from .factories import PendingFactory, UserFactory, address_of
from .test_command import Ran, waiting

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def bring(tmp_path):
    """Return a function that imports a file with some content."""

    def bring(content, *arguments, name="people.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Ran("import", str(path), *arguments)

    return bring


def states():
    """Return the states of the confirmations by user name."""
    rows = Confirmation.objects.order_by("pk").values_list("account__username", "state")
    return dict(rows)


class TestRows:
    """What a row does to its account."""

    def test_an_account_waits(self, bring):
        """It waits for the row's client, in its language, since the sign-up; nothing is sent."""
        UserFactory(username="ann", email="Ann@exämple.org")
        UserFactory(username="ben", email="")
        get_user_model().objects.filter(username="ben").update(email="ben@example.com")
        ran = bring(
            "email,username,client,language,registered_at\n"
            "ann@xn--exmple-cua.org,,arcade,de-AT,2024-02-03T04:05:06Z\n"
            ",ben,,,1600000000000\n"
        )
        assert (ran.lines, ran.code) == (["made pending: 2"], 0)
        assert list(
            Confirmation.objects.order_by("pk").values_list(
                "account__username", "state", "client", "language", "requested_at"
            )
        ) == [
            ("ann", "pending", "arcade", "de-AT", datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)),
            ("ben", "pending", "game", "", datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)),
        ]
        assert not Delivery.objects.exists()
        assert Ran("send", "--pending").lines == ["queued: 2"]

    def test_a_second_call_changes_nothing(self, bring):
        """It says so, and leaves the rows as they are."""
        waiting("old")
        UserFactory(username="new")
        rows = "username,confirmed\nold,1\nnew,0\n"
        assert bring(rows).lines == ["made pending: 1", "marked as confirmed: 1"]
        before = list(Confirmation.objects.order_by("pk").values())
        ran = bring(rows)
        assert ran.lines == ["pending already: 1", "confirmed already: 1", "nothing to change"]
        assert ran.code == 0
        assert list(Confirmation.objects.order_by("pk").values()) == before

    def test_the_state_here_counts(self, bring, blocked):
        """An account that confirmed or was blocked here never waits again."""
        waiting("proven", state="confirmed")
        moved = waiting("moved", state="confirmed")
        get_user_model().objects.filter(pk=moved.pk).update(email="elsewhere@example.com")
        waiting("withdrawn", state="withdrawn")
        UserFactory(username="off", is_active=False)
        ran = bring("username\nproven\nmoved\nwithdrawn\nblocked\noff\n")
        why = "account deactivated or confirmation withdrawn"
        assert ran.lines == [
            f"line 4: withdrawn: {why}",
            f"line 5: blocked: {why}",
            f"line 6: off: {why}",
            "confirmed already: 2",
            f"{why}: 3",
            "nothing to change",
        ]
        assert (ran.code, ran.complaint) == (1, "3 of 5 rows were refused.")
        assert "off" not in states()
        assert Confirmation.objects.filter(state="pending", account=moved).count() == 0

    def test_a_pending_account_with_a_new_address(self, bring):
        """Its new address waits too."""
        user = waiting("moved")
        get_user_model().objects.filter(pk=user.pk).update(email="elsewhere@example.com")
        assert bring("email\nelsewhere@example.com\n").lines == ["made pending: 1"]
        assert Confirmation.objects.filter(account=user, state="pending").count() == 2

    def test_blocked_in_the_file(self, bring):
        """Such a row is skipped, and reported if the account waits here."""
        UserFactory(username="ann")
        waiting("ben")
        ran = bring("username,blocked,confirmed\nann,yes,no\nben,true,no\nnobody,t,no\n")
        assert ran.lines == [
            "line 2: ann: skipped, since blocked in the file",
            "line 3: ben: blocked in the file, but pending here",
            "line 4: nobody: skipped, since blocked in the file",
            "skipped, since blocked in the file: 2",
            "blocked in the file, but pending here: 1",
            "nothing to change",
        ]
        assert (ran.code, ran.complaint) == (1, "1 of 3 rows were refused.")
        assert states() == {"ben": "pending"}

    def test_who_is_named(self, bring):
        """An address counts before a user name, which chooses among several accounts."""
        for name in ("one", "two"):
            UserFactory(username=name, email="shared@example.com")
        UserFactory(username="nomail", email="")
        ran = bring(
            "email,username\nshared@example.com,\nshared@example.com,two\n,nomail\n"
            "other@example.com,one\n"
        )
        assert ran.lines == [
            "line 2: shared@example.com: several accounts match; name one by its user name",
            "line 4: nomail: the account has no valid address",
            "line 5: other@example.com: no matching account",
            "made pending: 1",
            "no matching account: 1",
            "several accounts match; name one by its user name: 1",
            "the account has no valid address: 1",
        ]
        assert states() == {"two": "pending"}

    def test_rows_of_one_account(self, bring):
        """The rows of an account have their effects in the order of the file."""
        UserFactory(username="ann")
        ran = bring("email,confirmed\nann@example.com,0\nANN@example.com,0\nann@example.com,1\n")
        assert ran.lines == ["made pending: 1", "pending already: 1", "marked as confirmed: 1"]
        assert states() == {"ann": "confirmed"}

    def test_signal(self, bring, pending):
        """Receivers of ``confirmed`` hear of each account that is confirmed, but not of a try."""
        heard = []

        def note(sender, user, **kwargs):
            heard.append(user.username)

        confirmed_signal.connect(note)
        try:
            rows = "username,confirmed\npending,true\n"
            ran = bring(rows, "--dry-run")
            assert (ran.lines, heard) == (["would be marked as confirmed: 1"], [])
            bring(rows)
        finally:
            confirmed_signal.disconnect(note)
        assert heard == ["pending"]

    def test_dry_run(self, bring):
        """It prints what would be done, and changes nothing."""
        UserFactory(username="ann")
        assert bring("username\nann\n", "--dry-run").lines == ["would be made pending: 1"]
        assert states() == {}

    @pytest.mark.parametrize(
        ("cells", "reason"),
        [
            (",,,", "no address and no user name"),
            ("a@b@c,,,", "a@b@c: not a valid address or user name"),
            ("ann\0@example.com,,,", r"ann\x00@example.com: not a valid address or user name"),
            (f"{'x' * 300},,,", f"{'x' * 300}: not a valid address or user name"),
            ("ann@example.com,x,,", "ann@example.com: confirmed has an unknown value, 'x'"),
            ("ann@example.com,,x,", "ann@example.com: unknown client 'x'"),
            ("ann@example.com,,,soon", "ann@example.com: 'soon' is not a time in the past"),
            ("ann@example.com,,,2999-01-01", "ann@example.com: '2999-01-01' is not a time"),
            ("ann@example.com,,,0001-01-01", "ann@example.com: '0001-01-01' is not a time"),
        ],
        ids=range(9),
    )
    def test_invalid(self, bring, cells, reason):
        """A row that cannot be used has its line; the other rows are imported."""
        for name in ("ann", "ben"):
            UserFactory(username=name)
        ran = bring(
            f"email,confirmed,client,registered_at\n{cells}\nben@example.com,0,,2024-01-01\n"
        )
        assert ran.lines[0].startswith(f"line 2: {reason}")
        assert (ran.lines[1:], ran.code) == (["made pending: 1", "invalid: 1"], 1)
        assert states() == {"ben": "pending"}

    def test_invalid_language(self, bring):
        """A language has to be a code."""
        UserFactory(username="ann")
        ran = bring("username,language\nann,deutsch!\n")
        assert ran.lines[0] == "line 2: ann: 'deutsch!' is not a language code"

    def test_without_time_zones(self, bring, settings):
        """On a site without time zones, times are those of TIME_ZONE."""
        settings.USE_TZ, settings.TIME_ZONE = False, "Etc/GMT-2"
        UserFactory(username="ann")
        assert bring("username,registered_at\nann,2024-01-01 12:00\n").code == 0
        assert Confirmation.objects.get().requested_at == datetime(2024, 1, 1, 14)


class TestFiles:
    """Formats, and what is lost of a file that is damaged."""

    @pytest.fixture(autouse=True)
    def people(self):
        for name in ("ann", "ben", "cid"):
            UserFactory(username=name)

    def test_json_lines(self, bring):
        """A line that is not an object is refused."""
        ran = bring(
            '\ufeff{"email": "ann@example.com", "confirmed": false}\n\n[1]\n{"email"\n'
            '{"email": {"a": 1}}\n{"username": "ben", "confirmed": null}',
            name="people",
        )
        assert ran.lines == [
            "line 3: not a JSON object",
            "line 4: not valid JSON",
            "line 5: email is not a text",
            "made pending: 2",
            "invalid: 3",
        ]
        assert (ran.code, states()) == (1, {"ann": "pending", "ben": "pending"})

    def test_csv_of_a_spreadsheet(self, bring):
        """A byte order mark, semicolons and empty lines do no harm."""
        ran = bring("\ufeffusername; confirmed\r\n\r\nann;FALSE\r\nben;No\r\n".encode())
        assert (ran.lines, ran.code) == (["made pending: 2"], 0)

    @pytest.mark.parametrize(
        ("damage", "problem"),
        [
            (b"x\xff@example.com,", r"line 3: x\udcff@example.com: not a valid address or user"),
            (b"ben@example.com", "line 3: 1 cells instead of 2"),
            (b"ben@example.com,,,", "line 3: 4 cells instead of 2"),
            (b'"ben@example.com,', "line 3: 1 cells instead of 2"),
            (b"x" * 140_000 + b",", "line 3: field larger than field limit (131072)"),
            (b"x" * 2_500_000 + b",", "line 3: the line is too long"),
        ],
        ids=range(6),
    )
    def test_damaged_line(self, bring, damage, problem):
        """Only the damaged line is lost, even if its quotation mark is not closed."""
        content = b"email,username\nann@example.com,\n" + damage + b"\ncid@example.com,\n"
        ran = bring(content)
        assert ran.lines[0].startswith(problem)
        assert (ran.lines[1:], ran.code) == (["made pending: 2", "invalid: 1"], 1)
        assert states() == {"ann": "pending", "cid": "pending"}

    def test_long_line_of_json(self, bring, monkeypatch):
        """A line that is too long is not read into memory."""
        monkeypatch.setattr(export_file, "MAX_LINE", 30)
        rows = f'{{"username": "{"x" * 90}"}}\n{{"username": "ben"}}\n'
        assert bring(rows, name="people.ndjson").lines == [
            "line 1: the line is too long",
            "made pending: 1",
            "invalid: 1",
        ]

    def test_names_of_columns(self, bring):
        """Columns can have other names, which may be paths in JSON."""
        rows = '{"user": {"mail": "ann@example.com", "ok": true}}\n'
        arguments = ["--map", "user.mail=email", "--map", "user.ok=confirmed"]
        start(get_user_model().objects.get(username="ann"), send=False)
        assert bring(rows, *arguments, name="a.json").lines == ["marked as confirmed: 1"]
        assert bring("mail\nben@example.com\n", "--map", "mail=email").code == 0
        assert states() == {"ann": "confirmed", "ben": "pending"}

    def test_standard_input(self, monkeypatch):
        """A dash is the standard input, which stays open."""
        stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"username\nann\n")))
        monkeypatch.setattr("sys.stdin", stdin)
        assert Ran("import", "-").lines == ["made pending: 1"]
        assert not stdin.buffer.closed

    @pytest.mark.parametrize(
        ("content", "arguments", "complaint"),
        [
            ("name\nann\n", [], "Line 1 has no column email or username. See --map"),
            ("", [], "Line 1 has no column email or username. See --map"),
            ("email\nann\n", ["--map", "mail=email"], "Line 1 has no column mail. See --map"),
            ("email\n", ["--map", "mail=adress"], "'mail=adress' is not COLUMN=FIELD"),
            ("email\n", ["--preset", "acme"], "'acme' is not one of "),
            ("email\n", ["--client", "gmae"], "Unknown client 'gmae'. Known: arcade, game, "),
        ],
    )
    def test_usage(self, bring, content, arguments, complaint):
        """The error says what is wrong; nothing is imported."""
        ran = bring(content, *arguments)
        assert ran.code == 2 or "Error: argument" in ran.complaint
        assert complaint in ran.complaint

    def test_no_file(self):
        """A file that cannot be read is an invalid argument."""
        ran = Ran("import", "no/such/file")
        assert (ran.code, ran.complaint) == (2, "no/such/file: No such file or directory")

    def test_json_output(self, bring):
        """With --json, refused rows and the totals are objects."""
        ran = bring("username\nann\n\x1b\n", "--json")
        assert [json.loads(line) for line in ran.lines] == [
            {
                "line": 3,
                "identity": "\x1b",
                "result": "invalid",
                "reason": "not a valid address or user name",
            },
            {
                "dry_run": False,
                "rows": 2,
                "changed": 1,
                "results": {"started": 1, "invalid": 1},
            },
        ]

    def test_interruption(self, bring, monkeypatch):
        """Ctrl-C ends it after the batch, with the counts; a second call goes on."""

        def interrupted(entries, **more):
            signal.raise_signal(signal.SIGINT)
            return bring_in(entries, **more)

        monkeypatch.setattr(importing, "bring_in", interrupted)
        ran = bring("username\nann\nben\ncid\n", "--batch-size", "2")
        assert (ran.lines, ran.code) == (["made pending: 2"], 130)
        assert ran.progress
        monkeypatch.undo()
        assert bring("username\nann\nben\ncid\n", "--verbosity", "0").lines == [
            "made pending: 1",
            "pending already: 2",
        ]


class Singly(ConfirmationStore):
    """A store of a host, which overrides the methods for one account."""

    def find(self, identity):
        return super().find(identity)

    def get(self, user_id, address):
        return super().get(user_id, address)


class Refusing(ConfirmationStore):
    """A store that confirms no account."""

    def confirm(self, account):
        return False


class TestStores:
    def test_flags(self, bring, change):
        """An inactive account waits once it is imported, unless it was used before."""
        change(ACCOUNTS="resend_confirmation.accounts.FlagStore")
        UserFactory(username="new", is_active=False)
        UserFactory(username="used", is_active=False, last_login=datetime(2020, 1, 1, tzinfo=UTC))
        UserFactory(username="active")
        ran = bring("username\nnew\nused\nactive\n")
        why = "account deactivated or confirmation withdrawn"
        assert ran.lines == [
            f"line 3: used: {why}",
            "made pending: 1",
            "confirmed already: 1",
            f"{why}: 1",
        ]
        assert states() == {"new": "pending"}
        assert bring("username,confirmed\nnew,1\n").lines == ["marked as confirmed: 1"]
        assert get_user_model().objects.get(username="new").is_active

    def test_one_by_one(self, bring, change):
        """A store without methods for many accounts is asked for each."""
        change(ACCOUNTS=f"{__name__}.Singly")
        UserFactory(username="ann")
        assert bring("email\nann@example.com\n").lines == ["made pending: 1"]

    def test_refusal(self, bring, change, pending):
        """An account that the store does not confirm stays as it is."""
        change(ACCOUNTS=f"{__name__}.Refusing")
        ran = bring("username,confirmed\npending,1\n")
        assert ran.lines[0] == "line 2: pending: the account store refused"
        assert (ran.code, states()) == (1, {"pending": "pending"})

    def test_changes_while_it_runs(self, monkeypatch):
        """An account that starts to wait or is deleted at that moment does no harm."""
        users = [UserFactory.create(username=name) for name in ("ann", "ben")]
        get_each = ConfirmationStore.get_each
        real = Confirmation.objects.bulk_create

        def insert(rows, **given):
            start(users[0], send=False)
            return real(rows, **given)

        def get(self, wanted):
            return [get_each(self, wanted)[0], None]

        monkeypatch.setattr(Confirmation.objects, "bulk_create", insert)
        monkeypatch.setattr(ConfirmationStore, "get_each", get)
        assert bring_in([Entry(identity="ann"), Entry(identity="ben")]) == [
            ImportEnding.WAITING,
            ImportEnding.UNKNOWN,
        ]
        assert states() == {"ann": "pending"}

    def test_find_each(self):
        """It finds what ``find`` finds for each identity, in any spelling."""
        PendingFactory(username="ann", email="Ann@exämple.org")
        UserFactory(username="ÄNNE", email="Änne@example.org")
        store = accounts.store()
        wanted = [
            address_of("ann@xn--exmple-cua.org"),
            address_of("none@example.org"),
            "ÄNNE",
            "ann",
        ]
        found = store.find_each(wanted)  # type: ignore[attr-defined]
        names = [[account.username for account in some] for some in found]
        assert names == [["ann"], [], ["ÄNNE"], ["ann"]]


def test_a_user_name_column_of_numbers(monkeypatch):
    """User names that the column cannot hold are left out."""
    user = UserFactory.create(username="x", email="x@example.com")
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "id")
    found = users.conditions([str(user.pk), "x"])
    assert [list(get_user_model().objects.filter(each)) for each in found] == [[user]]


@pytest.mark.parametrize("number", [3, 30])
def test_statements_of_a_batch(number):
    """A batch takes the same number of statements, however many rows it has."""
    for each in range(number):
        UserFactory(username=f"p{each}")
    entries = [
        Entry(identity=address_of(f"p{each}@example.com"), standing=Standing.PENDING)
        if each % 2
        else Entry(identity=f"p{each}")
        for each in range(number)
    ]
    with CaptureQueriesContext(connection) as first:
        assert set(bring_in(entries)) == {ImportEnding.STARTED}
    assert len(first) <= 11
    assert engine.drain().idle

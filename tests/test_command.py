"""``manage.py resend_confirmation``: its effects, output and exit codes."""

import json
import os
import signal
import smtplib
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from resend_confirmation import engine
from resend_confirmation.engine import Tally, status
from resend_confirmation.management import send, stopping
from resend_confirmation.management.commands.resend_confirmation import Command
from resend_confirmation.models import Confirmation, Cooldown, Delivery, Run, Suppression

from .factories import PendingFactory, address_of
from .mailers import ScriptedBackend, through

ROOT = Path(__file__).parent.parent

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class Ran:
    """A call of the command, with its output and exit code."""

    def __init__(self, *arguments):
        out, err = StringIO(), StringIO()
        self.code, self.complaint = 0, ""
        try:
            call_command("resend_confirmation", *arguments, stdout=out, stderr=err)
        except CommandError as error:
            self.code, self.complaint = error.returncode, str(error)
        self.lines, self.progress = out.getvalue().splitlines(), err.getvalue().splitlines()


def waiting(name, **values):
    """Create a pending account and update its confirmation with ``values``."""
    user: Any = PendingFactory(username=name)
    Confirmation.objects.filter(account=user).update(**values)
    return user


@pytest.fixture
def script(settings):
    """The errors that the mail backend raises, one for each call; None is success."""
    through(settings, "tests.mailers.ScriptedBackend")
    ScriptedBackend.script.clear()
    ScriptedBackend.seen.clear()
    return ScriptedBackend.script


class TestSend:
    def test_an_address_or_a_user_name_is_enough(self, pending):
        """The message is queued, and sent by the next drain."""
        ran = Ran("send", "PENDING@example.com")
        assert (ran.lines, ran.code) == (["PENDING@example.com: queued"], 0)
        engine.drain()
        assert [message.to for message in mail.outbox] == [["pending@example.com"]]
        waiting("other")
        assert Ran("send", "other").lines == ["other: queued"]

    def test_each_identity_gets_its_line_and_one_failure_is_exit_code_1(
        self, pending, confirmed, blocked
    ):
        """The output has a line for each identity; failures do not stop the others."""
        ran = Ran("send", "pending", "confirmed", "blocked", "nobody", "a\udcffb")
        assert ran.lines == [
            "pending: queued",
            "confirmed: already confirmed",
            "blocked: account deactivated or confirmation withdrawn",
            "nobody: no matching account",
            "a\\udcffb: not a valid address or user name",
        ]
        assert (ran.code, ran.complaint) == (1, "4 of 5 were not queued.")
        assert Delivery.objects.filter(confirmation__account=pending).count() == 1
        assert Delivery.objects.count() == 1

    def test_the_cooldown_holds(self, pending):
        """A second call within a minute prints how long to wait."""
        Ran("send", "pending")
        ran = Ran("send", "pending")
        assert ran.code == 1
        (line,) = ran.lines
        seconds = int(
            line.removeprefix("pending: requested again too soon: wait ").removesuffix(" s")
        )
        assert 50 < seconds <= 60
        assert Delivery.objects.count() == 1

    def test_accounts_that_share_an_address_all_get_their_message(self):
        """All accounts of a shared address are queued, within one slot of the cooldown."""
        for name in ("one", "two"):
            PendingFactory(username=name, email="shared@example.com")
        assert Ran("send", "shared@example.com").code == 0
        assert Delivery.objects.filter(state="queued").count() == 2

    def test_a_client_without_confirmation_is_refused(self, pending):
        """Nothing is queued if the client does not require confirmation."""
        ran = Ran("send", "pending", "--client", "kiosk")
        assert (ran.lines, ran.code) == (["pending: the client does not require confirmation"], 1)

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["pending", "--client", "gmae"], "Unknown client 'gmae'. Known: arcade, game, "),
            (["pending", "--dialect", "strappy"], "No dialect 'strappy' is mounted. Known: "),
            ([], "Give identities, --pending or --file."),
            (["pending", "--pending"], "Give identities, --pending or --file."),
            (["--file", "-", "--pending"], "Give identities, --pending or --file."),
            (["pending", "--limit", "5"], "--limit: only with --pending or --file."),
            (["pending", "--never-sent"], "--never-sent: only with --pending or --file."),
            (["--pending", "--rate", "fast"], "'fast' is not a rate (e.g. 50/s"),
            (["--pending", "--domain", "a b"], "'a b' is not a domain"),
            (["--pending", "--last-state", "lost"], "invalid choice: 'lost'"),
            (["--pending", "--run", "x" * 65], "--run takes up to 64 printable characters."),
            (["--pending", "--run", "\x1b[2J"], "--run takes up to 64 printable characters."),
            (["--file", "no/such/file"], "no/such/file: No such file or directory"),
            (["--pending", "--older-than", "soon"], "'soon' is not a duration (e.g. 90s"),
            (["--pending", "--older-than", "3661d"], "'3661d' is longer than ten years"),
            (["--pending", "--older-than", "800000d"], "'800000d' is longer than ten years"),
            (["--pending", "--newer-than", "999999d"], "'999999d' is longer than ten years"),
            (["--pending", "--limit", "0"], "'0' is not a positive integer"),
        ],
    )
    def test_invalid_arguments_are_refused(self, pending, arguments, complaint):
        """The error says which arguments are allowed; nothing is queued."""
        ran = Ran("send", *arguments)
        # What argparse refuses has the exit code 2 on a command line only.
        assert ran.code == (1 if ran.complaint.startswith("Error: ") else 2)
        assert complaint in ran.complaint
        assert not Delivery.objects.exists()
        assert not Run.objects.exists()

    def test_dry_run_only_reports(self, pending, confirmed):
        """A dry run creates no delivery or cooldown, and its exit code is 0."""
        ran = Ran("send", "pending", "confirmed", "--dry-run")
        assert ran.lines == ["pending: would be queued", "confirmed: already confirmed"]
        assert ran.code == 0
        assert not Delivery.objects.exists()
        assert not Cooldown.objects.exists()


class TestSuppressed:
    """Nothing is queued for a suppressed address, and the output says so."""

    @pytest.fixture(autouse=True)
    def suppressed(self, pending):
        digest = address_of("pending@example.com").digest("suppression")
        Suppression.objects.create(digest=digest, why="bounced", since=NOON)

    @pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=repr)
    def test_one(self, options):
        """The output has the date; the exit code is 1, except for a dry run."""
        ran = Ran("send", "pending@example.com", *options)
        assert ran.lines == ["pending@example.com: suppressed since 2026-01-01 12:00+00:00"]
        assert ran.code == (0 if options else 1)
        assert not Delivery.objects.exists()
        assert not Cooldown.objects.exists()

    def test_a_caller(self):
        """The response to a request does not reveal a suppression."""
        body = json.dumps({"email": "pending@example.com"})
        path = "/auth/send-email-confirmation"
        assert Client().post(path, body, content_type="application/json").status_code == 200
        engine.drain()
        assert (Delivery.objects.get().state, mail.outbox) == ("suppressed", [])


#: C0 and C1 control characters, a bidirectional override, a line break and invalid UTF-8.
HOSTILE = "x\x1b[2J\n\x9b31mann: queued\u202e\x00\x7f\udcff"
ESCAPED = r"x\x1b[2J\n\x9b31mann: queued\u202e\x00\x7f\udcff"


class TestPrinting:
    """User input cannot control the terminal or forge a line of output."""

    @pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=repr)
    def test_identities(self, options):
        """Each identity is one line, with unprintable characters escaped."""
        (line,) = Ran("send", HOSTILE, *options).lines
        assert line == f"{ESCAPED}: not a valid address or user name"

    @pytest.mark.parametrize(
        "arguments",
        [
            ["send", "--pending", "--client", HOSTILE],
            ["send", "--pending", "--dialect", HOSTILE],
            ["send", "--pending", "--older-than", HOSTILE],
            ["send", "--pending", "--limit", HOSTILE],
            ["drain", HOSTILE],
            ["drain", f"--{HOSTILE}"],
            ["drain", f"--o{HOSTILE}"],
            ["work", "--poll", HOSTILE],
            [HOSTILE],
        ],
        ids=ascii,
    )
    def test_complaints(self, arguments, capsys):
        """Error messages about arguments escape their values as well."""
        with pytest.raises((CommandError, SystemExit)) as raised:
            Command().run_from_argv(["manage.py", "resend_confirmation", *arguments])
        text = "".join([*capsys.readouterr(), str(raised.value)])
        assert ESCAPED[:10] in text
        assert [c for c in text if not c.isprintable() and c != "\n"] == []
        assert not any(line.startswith("ann: queued") for line in text.splitlines())


class TestDrain:
    def test_it_sends_until_nothing_is_due(self):
        """The command repeats rounds until nothing is due, and prints the total counts."""
        for name in ("one", "two", "three"):
            waiting(name)
        Ran("send", "--pending")
        ran = Ran("drain", "--limit", "2")
        assert (ran.lines, ran.code) == (["resolved: 0, sent: 3, not sent: 0"], 0)
        assert len(mail.outbox) == 3

    def test_once_is_one_round(self):
        """With ``--once`` only one round is sent, and the rest stays due."""
        for name in ("one", "two", "three"):
            waiting(name)
        Ran("send", "--pending")
        assert Ran("drain", "--limit", "2", "--once").lines == ["resolved: 0, sent: 2, not sent: 0"]
        assert Delivery.objects.filter(state="queued").count() == 1

    def test_nothing_due_is_no_failure(self):
        """If nothing is due, the exit code is 0."""
        ran = Ran("drain")
        assert (ran.lines, ran.code) == (["resolved: 0, sent: 0, not sent: 0"], 0)

    def test_quiet_requests_are_resolved_and_sent(self, pending):
        """A request without a matching account is not a failure."""
        now = timezone.now()
        for identity in ("pending@example.com", "nobody@example.com"):
            Delivery.objects.create(
                identity=identity, client="game", state="asked", asked_at=now, not_before=now
            )
        ran = Ran("drain")
        assert (ran.lines, ran.code) == (["resolved: 2, sent: 1, not sent: 0"], 0)

    def test_unsent_message_is_exit_code_1(self, pending, monkeypatch):
        """If a message could not be sent, the exit code is 1 and it stays queued."""

        def refuse(self, messages):
            raise ConnectionRefusedError

        backend = "django.core.mail.backends.locmem.EmailBackend.send_messages"
        monkeypatch.setattr(backend, refuse)
        Ran("send", "pending")
        ran = Ran("drain")
        assert ran.lines == ["resolved: 0, sent: 0, not sent: 1"]
        assert (ran.code, ran.complaint) == (
            1,
            "1 could not be sent; see the admin.",
        )
        assert Delivery.objects.get().state == "queued"

    def test_skipped_message_is_exit_code_0(self, pending):
        """If the account has been confirmed, no message is sent and the exit code is 0."""
        Ran("send", "pending")
        Confirmation.objects.update(state="confirmed")
        ran = Ran("drain")
        assert ran.lines == ["resolved: 0, sent: 0, not sent: 0, no longer needed: 1"]
        assert ran.code == 0
        assert Delivery.objects.get().state == "abandoned"

    def test_settings_that_do_not_work_are_exit_code_3(self, clock, script):
        """If the e-mail settings do not work, the exit code is 3, also during the pause."""
        script.extend([None, smtplib.SMTPAuthenticationError(535, b"wrong password")])
        for name in ("one", "two", "three"):
            waiting(name)
        Ran("send", "--pending")
        ran = Ran("drain")
        assert ran.lines == ["resolved: 0, sent: 1, not sent: 1"]
        assert ran.code == 3
        assert ran.complaint == (
            "The queue is paused until 2030-01-01T12:01:00+00:00: the e-mail settings do not work"
            " (SMTPAuthenticationError 535)."
        )
        ran = Ran("drain")
        assert (ran.code, ran.lines) == (3, ["resolved: 0, sent: 0, not sent: 0"])
        clock.move(minutes=1)
        ran = Ran("drain")
        assert (ran.code, ran.lines) == (0, ["resolved: 0, sent: 2, not sent: 0"])

    def test_a_budget_that_is_used_up_is_no_failure(self, clock, change):
        """If the budget is used up, the exit code is 0; the rest is sent in the next hour."""
        change(HOURLY_BUDGET=2)
        for name in ("one", "two", "three"):
            waiting(name)
        Ran("send", "--pending")
        ran = Ran("drain")
        assert (ran.lines, ran.code) == (["resolved: 0, sent: 2, not sent: 0"], 0)
        clock.move(hours=1)
        ran = Ran("drain")
        assert (ran.lines, ran.code) == (["resolved: 0, sent: 1, not sent: 0"], 0)


class TestPrune:
    def test_it_deletes_and_counts(self, clock):
        """Rows are deleted in batches, with progress after each one."""
        for _ in range(5):
            Delivery.objects.create(state="ignored", asked_at=clock.now, not_before=clock.now)
        clock.move(days=8)
        ran = Ran("prune", "--batch", "2")
        assert (ran.lines, ran.code) == (["deleted: 5"], 0)
        assert ran.progress == ["2 so far", "4 so far", "5 so far"]
        assert not Delivery.objects.exists()

    def test_nothing_to_delete_is_no_failure(self):
        """If nothing is deleted, the exit code is 0."""
        ran = Ran("prune")
        assert (ran.lines, ran.progress, ran.code) == (["deleted: 0"], [], 0)


class TestStatus:
    @pytest.fixture
    def rows(self, pending, confirmed, blocked):
        """Deliveries that are due or not, one with an expired lease, and three confirmations."""
        now = timezone.now()
        waiting("done", state="confirmed")
        hour = timedelta(hours=1)
        for state, attempts, not_before, lease_until in [
            ("asked", 1, now - timedelta(seconds=90), None),
            ("queued", 0, now - timedelta(seconds=30), None),
            ("queued", 1, now + hour, None),
            ("sending", 1, now - timedelta(seconds=60), now - timedelta(seconds=1)),
            ("sending", 1, now - hour, now + hour),
            ("sent", 2, now - hour, None),
        ]:
            Delivery.objects.create(
                state=state,
                attempts=attempts,
                asked_at=now,
                not_before=not_before,
                lease_until=lease_until,
            )

    def test_json_has_every_state_and_stable_keys(self, rows):
        """The JSON has all states; rows with an expired lease count as due."""
        found = json.loads("\n".join(Ran("status", "--json").lines))
        assert 90 <= found.pop("oldest_due_seconds") < 120
        assert found == {
            "deliveries": {
                "asked": 1,
                "queued": 2,
                "sending": 2,
                "sent": 1,
                "delivered": 0,
                "bounced": 0,
                "complained": 0,
                "ignored": 0,
                "failed": 0,
                "abandoned": 0,
                "suppressed": 0,
                "superseded": 0,
                "unknown": 0,
            },
            "due": 3,
            "unresolved": 1,
            "retrying": 1,
            "paused": False,
            "pause": None,
            "budget": None,
            "confirmations": {"pending": 2, "confirmed": 1, "withdrawn": 0},
            "runs": [],
        }

    def test_an_idle_outbox_has_no_oldest_row(self):
        """If nothing is due, ``oldest_due_seconds`` is null, not 0."""
        found = json.loads("\n".join(Ran("status", "--json").lines))
        assert found["oldest_due_seconds"] is None
        assert found["due"] == 0

    def test_the_text_says_the_same(self, rows):
        """The text has the same figures as the JSON."""
        lines = [" ".join(line.split()) for line in Ran("status").lines]
        assert "queued 2" in lines
        assert "unresolved requests: 1" in lines
        assert "retrying: 1" in lines
        assert "withdrawn 0" in lines
        assert [line for line in lines if line.startswith("due now: 3, the oldest for ")]

    def test_it_takes_few_statements(self, rows, django_assert_max_num_queries):
        """The number of queries does not depend on the number of rows."""
        with django_assert_max_num_queries(29):
            Ran("status", "--json")

    def test_counts_stop(self, rows, monkeypatch):
        """Counts stop at a limit, which the text marks with a plus, and the JSON does not."""
        monkeypatch.setattr(status, "MOST", 2)
        lines = [" ".join(line.split()) for line in Ran("status").lines]
        assert {"asked 1", "queued 2+", "sent 1", "retrying: 1", "pending 2+"} <= set(lines)
        assert [line for line in lines if line.startswith("due now: 2+, the oldest for ")]
        found = json.loads("\n".join(Ran("status", "--json").lines))
        assert (found["due"], found["deliveries"]["queued"]) == (2, 2)

    def test_retries_are_found_behind_many_others(self, rows, monkeypatch):
        """Retries are counted among the messages that are due last."""
        monkeypatch.setattr(status, "MOST", 1)
        assert "retrying: 1+" in Ran("status").lines

    def test_a_paused_queue_says_why(self, pending, clock, script):
        """The output has the reason of the pause, the backend's error, and start and end."""
        script.append(smtplib.SMTPAuthenticationError(535, b"wrong password"))
        Ran("send", "pending")
        Ran("drain")
        found = json.loads("\n".join(Ran("status", "--json").lines))
        assert found["paused"] is True
        assert found["pause"] == {
            "reason": "configuration",
            "error_class": "SMTPAuthenticationError",
            "error_code": "535",
            "since": "2030-01-01T12:00:00+00:00",
            "until": "2030-01-01T12:01:00+00:00",
        }
        assert Ran("status").lines[0] == (
            "paused until 2030-01-01T12:01:00+00:00: the e-mail settings do not work"
            " (SMTPAuthenticationError 535)"
        )
        clock.move(minutes=1)
        assert json.loads("\n".join(Ran("status", "--json").lines))["paused"] is False

    def test_the_budget(self, clock, change):
        """The output shows how much of the hourly budget is used, and what waits."""
        change(HOURLY_BUDGET=2)
        assert json.loads("\n".join(Ran("status", "--json").lines))["budget"] == {
            "limit": 2,
            "used": 0,
            "until": None,
        }
        for name in ("one", "two", "three"):
            waiting(name)
        Ran("send", "--pending")
        Ran("drain", "--once", "--limit", "1")
        assert "this hour: 1 of 2, resends wait" in Ran("status").lines
        Ran("drain")
        found = json.loads("\n".join(Ran("status", "--json").lines))
        until = "2030-01-01T13:00:00+00:00"
        assert found["budget"] == {"limit": 2, "used": 2, "until": until}
        assert found["paused"] is True
        assert found["pause"] == {
            "reason": "budget",
            "error_class": "",
            "error_code": "",
            "since": None,
            "until": until,
        }
        lines = Ran("status").lines
        assert lines[0] == f"paused until {until}: the hourly budget is used up"
        assert "this hour: 2 of 2" in lines
        clock.move(hours=1)
        assert json.loads("\n".join(Ran("status", "--json").lines))["pause"] is None


class TestArguments:
    def test_a_subcommand_is_required(self):
        """Without a subcommand the command fails."""
        assert "SUBCOMMAND" in Ran().complaint

    @pytest.mark.parametrize("subcommand", ["send", "drain", "work", "prune", "status"])
    def test_each_subcommand_explains_itself(self, subcommand, capsys):
        """``--help`` prints the description, and the exit code is 0."""
        with pytest.raises(SystemExit) as exit_:
            call_command("resend_confirmation", subcommand, "--help")
        assert exit_.value.code == 0
        text = capsys.readouterr().out
        assert {
            "send": "which writes to each account once",
            "drain": "3 if sending is paused",
            "work": "SIGTERM, SIGINT and SIGHUP stop it after the current messages",
            "prune": "You can interrupt it at any time and run it again.",
            "status": "oldest_due_seconds",
        }[subcommand] in text

    @pytest.mark.parametrize("poll", ["0", "-1", "soon", "1e9", "0.0"])
    def test_an_invalid_interval_is_refused(self, poll):
        """``--poll`` must be a reasonable number above 0, to spare the database."""
        ran = Ran("work", "--poll", poll)
        assert ran.code == 1
        assert "poll" in ran.complaint

    def test_an_interval_of_half_a_second(self):
        """``--poll`` accepts fractions of a second."""
        parser = Command().create_parser("manage.py", "resend_confirmation")
        assert parser.parse_args(["work", "--poll", "0.5"]).poll == 0.5


#: Django's common options, with the name and value of the parsed argument.
COMMON = [
    (["-v", "0"], "verbosity", 0),
    (["--verbosity=3"], "verbosity", 3),
    (["--settings=shop.settings"], "settings", "shop.settings"),
    (["--pythonpath", "/srv/shop"], "pythonpath", "/srv/shop"),
    (["--traceback"], "traceback", True),
    (["--no-color"], "no_color", True),
    (["--force-color"], "force_color", True),
    (["--skip-checks"], "skip_checks", True),
]


class TestCommonOptions:
    @pytest.mark.parametrize("subcommand", ["send", "drain", "work", "prune", "status"])
    @pytest.mark.parametrize(("typed", "name", "value"), COMMON)
    def test_before_and_after_the_subcommand(self, subcommand, typed, name, value):
        """Django's common options are accepted before and after the subcommand."""
        parser = Command().create_parser("manage.py", "resend_confirmation")
        for arguments in ([*typed, subcommand], [subcommand, *typed]):
            assert getattr(parser.parse_args(arguments), name) == value

    def test_the_later_one_counts_and_the_others_stay(self):
        """The later option wins; options before the subcommand are kept."""
        parser = Command().create_parser("manage.py", "resend_confirmation")
        found = parser.parse_args(["-v", "0", "--traceback", "drain", "--limit", "5", "-v", "2"])
        assert (found.verbosity, found.traceback, found.limit) == (2, True, 5)
        assert (found.settings, found.no_color, found.skip_checks) == (None, False, False)

    def test_they_have_their_effect(self, clock):
        """With ``-v 0`` there is no progress, only the result."""
        Delivery.objects.create(state="ignored", asked_at=clock.now, not_before=clock.now)
        clock.move(days=8)
        ran = Ran("prune", "--batch", "2", "-v", "0")
        assert (ran.lines, ran.progress, ran.code) == (["deleted: 1"], [], 0)

    @pytest.mark.server
    @pytest.mark.django
    @pytest.mark.parametrize(
        "arguments",
        [
            ["send", "nobody", "--dialect", "acme", "--settings=tests.settings"],
            ["send", "--settings", "tests.settings", "--dialect=acme", "nobody"],
            ["--settings=tests.settings", "send", "nobody", "--dialect", "acme"],
        ],
    )
    def test_settings_and_path_are_found_by_django(self, tmp_path, arguments):
        """``--settings`` and ``--pythonpath`` work in any position."""
        unset = {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
        end = ["--pythonpath", str(ROOT), "--skip-checks", "--no-color", "-v", "0"]
        ran = subprocess.run(
            [sys.executable, "-m", "django", "resend_confirmation", *arguments, *end],
            env={name: value for name, value in os.environ.items() if name not in unset},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.startswith("CommandError: No dialect 'acme' is mounted. Known: ")

    def test_help_has_them_last(self, capsys):
        """The help lists Django's common options last, as for other commands."""
        with pytest.raises(SystemExit):
            call_command("resend_confirmation", "drain", "--help")
        text = capsys.readouterr().out
        assert text.index("--once ") < text.rindex("--settings ") < text.rindex("--skip-checks ")


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_prune_ends_with_its_batch(self, clock, monkeypatch, number):
        """A signal stops it after the current batch, with the count and a shell's exit code."""
        for _ in range(5):
            Delivery.objects.create(state="ignored", asked_at=clock.now, not_before=clock.now)
        clock.move(days=8)
        before = signal.getsignal(number)
        prune = engine.prune

        def prune_with_a_signal(batch):
            for deleted in prune(batch):
                signal.raise_signal(number)
                yield deleted

        monkeypatch.setattr(engine, "prune", prune_with_a_signal)
        ran = Ran("prune", "--batch", "2")
        assert (ran.lines, ran.code) == (["deleted: 2"], 128 + number)
        assert ran.complaint == f"Stopped by {number.name}."
        assert signal.getsignal(number) is before

    def test_send_ends_between_two(self, monkeypatch):
        """A signal stops it after the current identity, whose result is printed."""
        send_one = send.send

        def send_with_a_signal(identity, options):
            signal.raise_signal(signal.SIGINT)
            return send_one(identity, options)

        monkeypatch.setattr(send, "send", send_with_a_signal)
        ran = Ran("send", "ann", "ben")
        assert (ran.lines, ran.code) == (["ann: no matching account"], 130)

    def test_ignored_signal_stays_ignored(self, monkeypatch):
        """A signal that is ignored, such as SIGHUP under nohup, stays ignored."""
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with stopping.stop_on_signals() as stop:
                signal.raise_signal(signal.SIGHUP)
                assert not stop.is_set()
        finally:
            signal.signal(signal.SIGHUP, before)

    @pytest.mark.database
    def test_outside_of_the_main_thread(self):
        """A command in another thread does not change the process's signal handlers."""
        seen = []

        def heed():
            with stopping.stop_on_signals() as stop:
                seen.extend([signal.getsignal(signal.SIGTERM), stop.is_set()])

        thread = threading.Thread(target=heed)
        thread.start()
        thread.join()
        assert seen == [signal.getsignal(signal.SIGTERM), False]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_work_until_a_signal(self, monkeypatch, number):
        """``work`` prints rounds with results, and a pause once; a signal stops it with 0."""
        rounds = [Tally(sent=2), Tally(), *[Tally(paused=True)] * 2, *[Tally()] * 2]

        def drain(stopping, note):
            if rounds:
                note(rounds.pop(0))
            else:
                done.set()

        done = threading.Event()
        monkeypatch.setattr(engine, "drain_all", drain)
        monkeypatch.setattr("resend_confirmation.courier.pause.current", lambda: None)
        join = threading.Thread.join

        def join_and_signal(thread, timeout=None):
            assert done.wait(60)
            signal.raise_signal(number)
            return join(thread, timeout)

        monkeypatch.setattr(threading.Thread, "join", join_and_signal)
        ran = Ran("work", "--concurrency", "1", "--poll", "0.001")
        assert (ran.lines, ran.code) == (
            [
                "couriers: 1",
                "resolved: 0, sent: 2, not sent: 0",
                "paused",
                "sending is resumed",
                "stopped",
            ],
            0,
        )

    def test_a_courier_that_ends_by_itself(self, monkeypatch, caplog):
        """If a courier fails, the others stop and the exit code is 1, so supervisors restart it."""
        begun, stopped = threading.Event(), []

        def drain(stopping, note):
            if threading.current_thread().name.endswith("-0"):
                assert begun.wait(10)
                raise RuntimeError("secret")
            begun.set()
            stopped.append(stopping.wait(10))
            stopping.set()

        monkeypatch.setattr(engine, "drain_all", drain)
        ran = Ran("work", "--concurrency", "2")
        assert (ran.lines, ran.code) == (["couriers: 2", "stopped"], 1)
        assert stopped == [True]
        assert caplog.messages == ["A courier ended (RuntimeError)"]

    def test_work_without_threads(self, monkeypatch):
        """If a thread cannot be started, the command ends with exit code 1."""

        def fail(self):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", fail)
        ran = Ran("work")
        assert (ran.lines, ran.code) == (["couriers: 8", "stopped"], 1)
        assert ran.complaint == "A courier ended by itself; see the log for the reason."

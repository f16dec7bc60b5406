"""The benchmarks run: small, and whatever they find."""

import json
import shutil

import pytest

from .benchmarks.report import Goal, Report
from .conftest import unavailable
from .subprocesses import run

COMMANDS = {
    "requests": [
        *["--accounts", "3000", "--seconds", "1", "--rounds", "1", "--peers"],
        *["--rows", "floor B", "candid, pending"],
    ],
    "courier": ["--messages", "40", "--rounds", "1", "--couriers", "1"],
    "bulk": ["--few", "20", "--rows", "20"],
    "growth": ["--deliveries", "400", "--confirmations", "100", "--few", "100", "--rounds", "2"],
    "start": ["--runs", "1"],
    "silence": ["--requests", "100", "--kinds", "pending"],
    "claim": ["--rows", "20"],
}


def benchmark(tmp_path, *arguments):
    """Run a benchmark and return its JSON; it does not matter whether targets are missed."""
    path = tmp_path / "found.json"
    done = run("-m", "tests.benchmarks", *arguments, "--json", str(path))
    assert done.returncode in {0, 1}, done.stderr
    assert path.exists(), done.stdout + done.stderr
    found = json.loads(path.read_text())
    assert done.returncode == bool(found["missed"])
    return found


@pytest.mark.benchmark
@pytest.mark.parametrize("name", COMMANDS)
def test_it_runs(name, tmp_path):
    """Each benchmark writes its figures and the versions that it measured."""
    if name == "requests" and not shutil.which("wrk"):
        unavailable("wrk is not installed")
    found = benchmark(tmp_path, name, *COMMANDS[name])
    assert found["benchmark"] == name
    assert {"cores", "date", "database", "django", "python"} <= found["machine"].keys()
    assert all(rows for rows in found["figures"].values())


@pytest.mark.benchmark
@pytest.mark.postgres
def test_growth_on_postgres(tmp_path):
    """The tables are filled on PostgreSQL too."""
    found = benchmark(tmp_path, "growth", *COMMANDS["growth"], "--database", "postgres")
    assert found["machine"]["database"].startswith("PostgreSQL")


def test_unknown_benchmark():
    """A name that is not a benchmark's is wrong usage."""
    assert run("-m", "tests.benchmarks", "nothing").returncode == 2


@pytest.mark.parametrize(
    ("goal", "text", "is_met"),
    [
        (Goal(1.2, most=1.2), "1.2 (≤ 1.2)", True),
        (Goal(1.3, most=1.2), "**1.3 (≤ 1.2)**", False),
        (Goal(7, least=8), "**7 (≥ 8)**", False),
        (Goal(0.5, least=0.47, most=0.53), "0.5 (≥ 0.47, ≤ 0.53)", True),
    ],
)
def test_target(goal, text, is_met):
    """A target is printed beside its figure, which is bold if it misses the target."""
    assert (str(goal), goal.is_met) == (text, is_met)


def test_missed_targets_are_listed(tmp_path, capsys, db):
    """A missed target is in the table and in the JSON, and decides the exit code."""
    report = Report("some", {})
    report.table("Speed", {"fast": {"ms": Goal(1, most=2)}, "slow": {"ms": Goal(3, most=2)}})
    assert report.finish(tmp_path / "found.json") is True
    assert "| slow | **3 (≤ 2)** |" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["missed"] == ["Speed: slow, ms"]
    assert found["figures"]["Speed"]["slow"]["ms"] == {"value": 3, "most": 2, "met": False}

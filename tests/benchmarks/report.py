"""Reports: Markdown tables on stdout, and the same figures in JSON."""

import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import Any

import django
from django.db import connection


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure with its target: at least ``least`` and at most ``most``."""

    value: float
    most: float = inf
    least: float = -inf

    @property
    def is_met(self) -> bool:
        return self.least <= self.value <= self.most

    def __str__(self) -> str:
        bounds = [f"≥ {self.least:g}"] * (self.least > -inf) + [f"≤ {self.most:g}"] * (
            self.most < inf
        )
        text = f"{number(self.value)} ({', '.join(bounds)})"
        return text if self.is_met else f"**{text}**"


Figure = Goal | float | str | None


def number(value: float) -> str:
    """Return ``value`` with three significant digits, or without a fraction."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Report:
    """The tables of one benchmark, and whether it met its targets."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name, self.options = name, options
        self.tables: dict[str, Mapping[str, Mapping[str, Figure]]] = {}
        self.notes: list[str] = []

    def table(self, title: str, rows: Mapping[str, Mapping[str, Figure]]) -> None:
        """Print a table. ``rows`` maps the name of each row to its figures by column."""
        self.tables[title] = rows
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        print(f"\n{title}\n")
        print(f"| | {' | '.join(columns)} |")
        print(f"|---|{'---:|' * len(columns)}")
        for name, row in rows.items():
            print(f"| {name} | {' | '.join(_text(row.get(each)) for each in columns)} |")
        print(flush=True)

    def note(self, text: str) -> None:
        """Print a remark, such as that a peer is not installed."""
        self.notes.append(text)
        print(text, flush=True)

    def missed(self) -> list[str]:
        """Return the table, row and column of each figure that is outside its target."""
        return [
            f"{title}: {name}, {column}"
            for title, rows in self.tables.items()
            for name, row in rows.items()
            for column, figure in row.items()
            if isinstance(figure, Goal) and not figure.is_met
        ]

    def finish(self, path: Path | None) -> bool:
        """Write the JSON, print the missed targets, and return whether there are any."""
        missed = self.missed()
        for each in missed:
            print(f"missed: {each}")
        if path:
            machine = _machine()
            figures = {
                title: {name: {c: _plain(f) for c, f in row.items()} for name, row in rows.items()}
                for title, rows in self.tables.items()
            }
            found = {"benchmark": self.name, "options": self.options, "machine": machine}
            found |= {"figures": figures, "notes": self.notes, "missed": missed}
            path.write_text(json.dumps(found, indent=1, default=str) + "\n")
        return bool(missed)


def _machine() -> dict[str, Any]:
    with connection.cursor() as cursor:
        sql = "SELECT sqlite_version()" if connection.vendor == "sqlite" else "SELECT version()"
        cursor.execute(sql)
        database = f"{connection.display_name} {cursor.fetchone()[0]}"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "django": django.get_version(),
        "djangorestframework": version("djangorestframework"),
        "database": database,
    }


def _text(figure: Figure) -> str:
    if figure is None:
        return "-"
    return number(figure) if isinstance(figure, int | float) else str(figure)


def _plain(figure: Figure) -> Any:
    if not isinstance(figure, Goal):
        return figure
    bounds = {"least": figure.least, "most": figure.most}
    limits = {name: value for name, value in bounds.items() if abs(value) != inf}
    return {"value": figure.value, **limits, "met": figure.is_met}

"""The documentation matches the code: names, tables, links and examples."""

import argparse
import ast
import json
import re
import sys
import tomllib
from email import message_from_bytes
from email.message import Message
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from threading import Event, Thread
from types import ModuleType
from typing import Any, ClassVar

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.dispatch import Signal

import resend_confirmation
from resend_confirmation import accounts, clients, conf, dialects, engine, signals
from resend_confirmation.deliveries.wake import CARRIERS
from resend_confirmation.dialects import base
from resend_confirmation.dialects.base import Answer, Fault, ResendView, mounted_dialects
from resend_confirmation.email_backend import anymail_options
from resend_confirmation.engine import ResendRequest, Result
from resend_confirmation.management.commands.resend_confirmation import Command
from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import (
    ENDINGS,
    ConfirmationState,
    DeliveryState,
    Outcome,
    Reason,
    Refusal,
    Standing,
    Verdict,
)

from .demonstration import free_port
from .factories import PendingFactory, UserFactory, queued
from .mailers import through
from .new_project import NewProject

REPO = Path(__file__).resolve().parents[1]
PACKAGE = Path(resend_confirmation.__file__).parent
DOCS = REPO / "docs"
ROOT_PAGES = [
    REPO / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
]
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT_PAGES])

#: Modules of vendors, by name; the other module of ``dialects`` is their base.
VENDORS = {
    module.name: import_module(f"{dialects.__name__}.{module.name}")
    for module in iter_modules(dialects.__path__)
    if module.name != "base"
}
#: The package's own dialects; tests define others.
DIALECTS = {
    name: view
    for name, view in mounted_dialects().items()
    if view.__module__.startswith(f"{dialects.__name__}.")
}


def page(path: str) -> str:
    """Return a page's text."""
    return (REPO / path).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """Return the text without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.DOTALL | re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def headings(text: str) -> list[str]:
    """Return the headings, without their marks."""
    return re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)


def section(text: str, heading: str) -> str:
    """Return the text below a heading, up to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, flags=re.MULTILINE)
    assert found, f"there is no heading {heading!r}"
    rest = text[found.end() :]
    level = len(found[1])
    following = re.search(rf"^#{{1,{level}}} ", without_code(rest), flags=re.MULTILINE)
    return without_code(rest)[: following.start()] if following else rest


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of all tables, including headers."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if not set("".join(row)) <= set("-: ")]


def first_cells(text: str) -> set[str]:
    """Return the texts in backticks in the first cell of each row."""
    return {name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])}


def slug(heading: str) -> str:
    """Return the anchor that code forges give to a heading."""
    text = re.sub(r"\[([^]]*)]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Return all anchors of a page; a repeated heading gets a number."""
    found: list[str] = []
    for name in map(slug, headings(text)):
        count = found.count(name)
        found.append(f"{name}-{count}" if count else name)
    return set(found)


def relative(path: Path) -> str:
    """Return a page's name for a test's id."""
    return str(path.relative_to(REPO))


# Pages, links and blocks


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_links_resolve(path):
    """All links to pages and headings resolve."""
    text = path.read_text(encoding="utf-8")
    broken = []
    for target in re.findall(r"]\(([^)\s]+)\)", without_code(text)):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        if not other.is_file() or (
            anchor and anchor not in anchors(other.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    assert broken == []


def test_every_page_is_listed():
    """All pages are linked from one of the two indexes."""
    listed = {
        (index.parent / target).resolve()
        for index in (DOCS / "index.md", DOCS / "dialects/index.md")
        for target in re.findall(r"]\(([^)\s#]+)", index.read_text(encoding="utf-8"))
    }
    assert [relative(p) for p in DOCS.rglob("*.md") if p.resolve() not in listed] == [
        "docs/index.md"
    ]


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_blocks_are_well_formed(path):
    """Python blocks compile, JSON blocks parse, and all fences are closed."""
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"^ *```", text, flags=re.MULTILINE)) % 2 == 0
    for block in blocks(text, "python"):
        compile(block, str(path), "exec")
    for block in blocks(text, "json"):
        json.loads(block)


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_settings_in_examples_are_right(path):
    """The settings and clients of all examples pass the system checks."""
    for block in blocks(path.read_text(encoding="utf-8"), "python"):
        for node in ast.parse(block).body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            if node.targets[0].id == conf.NAME:
                value = ast.literal_eval(node.value)
                assert list(conf.problems(value)) == []
                assert [clients.problem_of(c) for c in value.get("CLIENTS", [])] == [
                    None for _ in value.get("CLIENTS", [])
                ]


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_imports_in_examples_exist(path):
    """Names that an example imports from the package exist."""
    missing = [
        f"{node.module}.{alias.name}"
        for block in blocks(path.read_text(encoding="utf-8"), "python")
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] == "resend_confirmation"
        for alias in node.names
        if not hasattr(import_module(node.module or ""), alias.name)
    ]
    assert missing == []


def test_vendors_are_only_named_on_their_pages():
    """Vendors are only named on dialects' pages, in the README and in the changelog."""
    assert VENDORS
    elsewhere = [p for p in PAGES if DOCS / "dialects" not in p.parents and p not in ROOT_PAGES[:2]]
    found = [
        f"{relative(path)}: {vendor}"
        for path in elsewhere
        for vendor in VENDORS
        if vendor in path.read_text(encoding="utf-8").lower()
    ]
    assert found == []


# Names


def test_settings_have_headings():
    """Every setting has a heading, and every heading is a setting."""
    text = page("docs/reference/settings.md")
    written = {name for name in headings(text) if name.isupper()}
    assert written == set(conf.Settings.__dataclass_fields__)


@pytest.mark.parametrize("name", conf.Settings.__dataclass_fields__)
def test_settings_defaults(name, settings):
    """The default on the page is that of the code, and the example is accepted."""
    text = section(page("docs/reference/settings.md"), name)
    default = re.search(r"^\* Default: `(.+)`$", text, flags=re.MULTILINE)
    example = re.search(r"^\* Example: `(.+)`$", text, flags=re.MULTILINE)
    assert default
    assert example
    assert re.search(r"^\* Takes: ", text, flags=re.MULTILINE)
    settings.RESEND_CONFIRMATION = {name: ast.literal_eval(default[1])}
    written = getattr(conf.get(), name)
    settings.RESEND_CONFIRMATION = {}
    assert written == getattr(conf.get(), name)
    shown = ast.literal_eval(example[1])
    assert list(shown) == [name]
    assert list(conf.problems(shown)) == []


def test_client_keys_have_rows():
    """Every key of a client has a row with a valid example."""
    text = page("docs/reference/settings.md")
    table = [row for row in rows(text[text.index("\n## Clients") :]) if len(row) == 5][1:]
    assert {row[0].strip("`") for row in table} == set(clients.Client.__dataclass_fields__)
    for row in table:
        example = ast.literal_eval(row[4].strip("`"))
        assert list(example) == [row[0].strip("`")]
        assert clients.problem_of({"name": "game", **example}) is None


def test_pages_of_a_client_are_named():
    """The row of "pages" lists the verdicts for which a client may have a page."""
    (row,) = (r for r in rows(page("docs/reference/settings.md")) if r[0] == "`pages`")
    assert set(re.findall(r"`(\w+)`", row[1])) == clients.PAGES


@pytest.mark.parametrize(
    ("heading", "enum"), [("Outcomes", Outcome), ("Refusals", Refusal)], ids=["outcome", "refusal"]
)
def test_endings_have_rows(heading, enum):
    """Every outcome and refusal has a row with its value."""
    table = rows(section(page("docs/reference/endings.md"), heading))[1:]
    assert {(row[0], row[1]) for row in table} == {(f"`{e.name}`", f"`{e.value}`") for e in enum}


def test_verdicts_have_rows():
    """Every verdict has a row."""
    text = section(page("docs/reference/endings.md"), "Verdicts")
    assert first_cells(text) == {verdict.name for verdict in Verdict}


def test_kinds_have_rows():
    """Every kind of invalid input has a row."""
    text = section(page("docs/reference/endings.md"), "Narrower rows")
    assert first_cells(text) == {kind.value for kind in Fault}


@pytest.mark.parametrize(
    ("heading", "states"),
    [
        ("States of a confirmation", ConfirmationState),
        ("States of a delivery", DeliveryState),
        ("Reasons of a delivery", Reason),
    ],
)
def test_states_have_rows(heading, states):
    """Every state and reason has a row."""
    text = section(page("docs/reference/models.md"), heading)
    assert first_cells(text) == {state.value for state in states if state.value}


@pytest.mark.parametrize("model", list(apps.get_app_config("resend_confirmation").get_models()))
def test_fields_have_rows(model):
    """Every field of a model has a row."""
    text = section(page("docs/reference/models.md"), model.__name__)
    fields = {field.name for field in model._meta.concrete_fields} - {"id"}
    assert fields <= first_cells(text)


def test_checks_have_headings():
    """Every check id has a heading, and every heading is a check id."""
    ids = {
        found
        for path in PACKAGE.rglob("*.py")
        for found in re.findall(
            r"(?:resend_confirmation|\{ID})\.([EWI]\d{3})", path.read_text(encoding="utf-8")
        )
    }
    written = {h for h in headings(page("docs/reference/checks.md")) if h != "System checks"}
    assert ids
    assert written == ids


THREATS = [row for row in rows(page("docs/explanation/threats.md")) if row[2] != "Test"]


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0])
def test_threats_are_proven(row):
    """Every threat lists tests, and all of them exist."""
    _, defence, proof = row
    assert defence
    nodes = [cell.strip("`") for cell in proof.split(", ")]
    assert [node for node in nodes if not node_exists(node)] == []


def node_exists(node: str) -> bool:
    """Return whether the test exists in the file or directory."""
    place, *inside, name = node.split("::")
    if inside:
        # A class may inherit the test, for example from a contract.
        found_in: Any = import_module(place.removesuffix(".py").replace("/", "."))
        return callable(getattr(getattr(found_in, inside[0], None), name, None))
    return place.startswith("tests/") and name.startswith("test_") and name in functions_in(place)


@cache
def functions_in(place: str) -> set[str]:
    """Return the names of the functions in a file, or in the test files of a directory."""
    path = REPO / place
    files = sorted(path.glob("test_*.py")) if path.is_dir() else [path]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    return {n.name for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}


def test_security_is_linked():
    """The README links to SECURITY.md, which links to the threats."""
    assert "](SECURITY.md)" in page("README.md")
    assert "](docs/explanation/threats.md)" in page("SECURITY.md")


def test_signals_have_headings():
    """Every signal has a heading."""
    names = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert names
    assert set(headings(page("docs/reference/signals.md"))) == names | {"Signals"}


def test_carriers_have_rows():
    """Every carrier has a row and a heading."""
    text = page("docs/how-to/carriers.md")
    assert first_cells(text) == set(CARRIERS)
    assert set(CARRIERS) <= set(headings(text))


def test_carriers_of_the_setting():
    """The section of the setting lists all carriers that have a short name."""
    text = section(page("docs/reference/settings.md"), "CARRIER")
    assert set(re.findall(r'`"(\w+)"`', text.partition("\n* Takes")[0])) == set(CARRIERS)


def test_floors_equal_the_contract():
    """The table of layers matches import-linter's contract, from top to bottom."""
    text = section(page("docs/explanation/design-decisions.md"), "Imports go down only")
    written = [set(re.findall(r"`(\w+)`", row[1])) for row in rows(text)[1:]]
    contracts = tomllib.loads(page("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (c["layers"] for c in contracts if c["type"] == "layers")
    assert written == [set(re.findall(r"resend_confirmation\.(\w+)", layer)) for layer in layers]


def test_services_have_rows():
    """Every service that tests need has a row in the README."""
    markers = tomllib.loads(page("pyproject.toml"))["tool"]["pytest"]["ini_options"]["markers"]
    needed = {name for name, _, what in (m.partition(": ") for m in markers) if "needs" in what}
    text = section(page("README.md"), "Run the tests")
    listed = [row[0].lower() for row in rows(text)]
    assert needed
    assert [name for name in sorted(needed) if not any(r.startswith(name) for r in listed)] == []


def subcommands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the subcommands, by name."""
    parser = Command().create_parser("manage.py", "resend_confirmation")
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


def test_subcommands_have_headings():
    """Every subcommand has a heading."""
    written = set(headings(page("docs/reference/command.md")))
    assert written == set(subcommands()) | {"Command", "Bulk runs"}


@pytest.mark.parametrize("name", sorted(subcommands()))
def test_options_have_rows(name):
    """Every option of a subcommand has a row."""
    own = {
        option
        for action in subcommands()[name]._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    inherited = {o for a in Command().create_parser("", "")._actions for o in a.option_strings}
    cells = first_cells(section(page("docs/reference/command.md"), name))
    written = {cell.split()[0] for cell in cells if cell.startswith("--")}
    assert written == own - inherited


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Functions", ["start", "resend", "confirm", "withdraw"]),
        ("Functions", engine.__all__),
        ("Functions", ResendRequest.__dataclass_fields__),
        ("Functions", Result.__dataclass_fields__),
        ("AccountStore", [n for n in vars(accounts.AccountStore) if not n.startswith("_")]),
        ("Account", accounts.Account.__dataclass_fields__),
        ("Account", [standing.name for standing in Standing]),
        ("ResendView", [n for n in ResendView.__annotations__ if not n.startswith("_")]),
        ("ResendView", ["find_client", "success_body", "error_body", "error_headers"]),
        ("ResendView", ["path_values", "landing", "check", "admits"]),
        ("Other names of the base", [n for n in base.__all__ if n not in {"ResendView", "Table"}]),
    ],
)
def test_api_is_named(heading, names):
    """Every public name of the Python API is in its section."""
    text = section(page("docs/reference/api.md"), heading)
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_functions_of_the_api_exist():
    """All functions of the engine on the page exist."""
    text = section(page("docs/reference/api.md"), "More of the engine")
    named = {cell.partition("(")[0] for cell in first_cells(text)}
    assert named
    assert named <= set(engine.__all__)


# Dialects


@pytest.mark.parametrize("vendor", VENDORS)
def test_vendors_have_pages(vendor):
    """Every vendor's module has a page of the same name, with the usual sections."""
    names = headings(page(f"docs/dialects/{vendor}.md"))
    usual = ["Request", "Answers", "After the click", "Settings for its clients", "CORS"]
    assert [name for name in [*usual, "The vendor's clients"] if name not in names] == []


def written_key(cell: str) -> object:
    """Return the key of a table's row as in a dialect's code: an ending, or narrower."""
    found = re.fullmatch(r"`(\w+)`(?: \((\w+)(?:, (\w+))?\))?", cell)
    assert found, cell
    ending = next(ending for ending in ENDINGS if ending.name == found[1])
    if found[3]:
        return (ending, found[2], Fault(found[3]))
    return (ending, found[2]) if found[2] else ending


def written_answer(row: list[str]) -> object:
    """Return the answer in a row: status, code and text, or quiet."""
    _, status, code, text, _ = row
    if status == "quiet":
        assert not code + text
        return base.QUIET
    return Answer(int(status), json.loads(code.strip("`")) if code else "", text)


def vendor_of(view: type[ResendView]) -> str:
    """Return the name of a vendor's module, which may be a package."""
    return view.__module__.removeprefix(f"{dialects.__name__}.").partition(".")[0]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_answers_equal_the_code(dialect):
    """The table on a dialect's page matches that in the code, and each row has a source."""
    view = DIALECTS[dialect]
    path = f"docs/dialects/{vendor_of(view)}.md"
    table = rows(section(page(path), dialect))
    assert table[0] == ["Ending", "Status", "Code", "Text", "Source"]
    written = {written_key(row[0]): written_answer(row) for row in table[1:]}
    assert len(written) == len(table) - 1
    assert written == dict(view.answers)
    marks = {"vendor", "seen", "ours", "unused"}
    assert {mark for row in table[1:] for mark in row[4].split(", ")} <= marks


def test_matrix_equals_the_code():
    """The matrix has a column for each dialect, with the status of each ending."""
    header, *table = rows(section(page("docs/dialects/index.md"), "Matrix"))
    columns = [cell.strip("`") for cell in header[1:]]
    assert sorted(columns) == sorted(DIALECTS)
    assert [row[0] for row in table] == [f"`{ending.name}`" for ending in ENDINGS]
    for ending, row in zip(ENDINGS, table, strict=True):
        for dialect, cell in zip(columns, row[1:], strict=True):
            answer = DIALECTS[dialect].answers[ending]
            assert cell == (str(answer.status) if isinstance(answer, Answer) else "quiet")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_are_listed(dialect):
    """Every dialect is in the README, the list and the changelog, with its path."""
    module = VENDORS[vendor_of(DIALECTS[dialect])]
    (pattern,) = (p for p in module.urlpatterns if p.name == dialect)
    path = re.sub(r"<\w+:", "<", str(pattern.pattern))
    for name in ("README.md", "docs/dialects/index.md"):
        (row,) = (r for r in rows(page(name)) if r[0] != "Ending" and r[1] == f"`{dialect}`")
        assert re.findall(r"`(?:POST )?([^`]+)`", row[2]) == [path]
    # The last row is from the list, which also has the module.
    assert row[3] == f"`{module.__name__}`"
    assert f"* **{dialect}**: `POST {path}`" in page("CHANGELOG.md")


@pytest.mark.parametrize("name", ["README.md", "docs/how-to/install.md"])
def test_whether_it_can_be_had_from_pypi(name):
    """While the changelog has no release, the pages say so and install from a clone."""
    is_released = re.search(r"^## \d+\.\d+\.\d+ — \d{4}-", page("CHANGELOG.md"), re.MULTILINE)
    text = page(name)
    assert ("is not released yet" in text) is not bool(is_released)
    assert ("pip install ./django-resend-confirmation" in text) is not bool(is_released)
    assert ("pip install django-resend-confirmation" in text) is bool(is_released)


# Examples that run


@pytest.mark.parametrize("last", ["demo", "pytest"])
def test_readme_commands_are_one_line(last):
    """Both commands are one line and install an extra that exists."""
    (line,) = re.findall(rf"^python3 -m venv .* {last}(?: -.*)?$", page("README.md"), re.MULTILINE)
    (extra,) = re.findall(r"'\.\[(\w+)]'", line)
    project = tomllib.loads(page("pyproject.toml"))["project"]
    assert extra in project["optional-dependencies"]


@pytest.mark.django_db
def test_readme_request(client):
    """The README's request gets the response that it shows."""
    text = page("README.md").partition("\n## One request\n")[2].partition("\n## ")[0]
    (asked,) = re.findall(r"-d '(.+)'$", text, flags=re.MULTILINE)
    PendingFactory.create(email=json.loads(asked)["email"])
    answer = client.post("/api/auth/send-email-confirmation", asked, "application/json")
    (body,) = blocks(text, "json")
    assert (answer.status_code, answer.content.decode()) == (200, body.rstrip("\n"))


def test_promises_are_proven():
    """Every promise of the README lists tests or benchmarks that exist."""
    table = rows(section(page("README.md"), "What it promises"))[1:]
    named = [name for row in table for name in re.findall(r"`([^`]+)`", row[2])]
    assert len(named) >= len(table) > 5
    assert [name for name in named if not (REPO / name).exists()] == []


def test_source_distribution_is_complete():
    """The sdist has all pages, and the files that tox copies to test the wheel."""
    build = tomllib.loads(page("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]
    # Hatch always includes pyproject.toml.
    included = {path.removeprefix("/") for path in build["sdist"]["include"]} | {"pyproject.toml"}
    copied = set(re.findall(r"\{tox_root}/(\S+)", page("tox.ini")))
    assert {"tests", "docs"} <= copied
    assert {*copied, *map(relative, ROOT_PAGES)} <= included


@pytest.mark.server
@pytest.mark.django
def test_readme_site_passes_its_checks(tmp_path):
    """In a new project the README's lines pass the checks that it mentions, and migrate."""
    project = NewProject(tmp_path)
    in_settings, in_urls, at_sign_up = blocks(page("README.md"), "python")
    # INSTALLED_APPS may be a tuple.
    project.append("settings.py", "INSTALLED_APPS = tuple(INSTALLED_APPS)", in_settings)
    project.append("urls.py", "urlpatterns = tuple(urlpatterns)", in_urls)
    project.write("accounts.py", at_sign_up)
    said = project.manage("check")
    assert said.count("(resend_confirmation.") == said.count("(resend_confirmation.W033)") == 2
    project.manage("makemigrations", "--check")
    project.manage("migrate", "--verbosity", "0")
    sign_up = (
        "from django.contrib.auth.models import User; from django.db import transaction\n"
        "from resend_confirmation.models import Delivery; from shop.accounts import after_sign_up\n"
        "with transaction.atomic():\n"
        "    after_sign_up(User.objects.create_user('ann', 'ann@example.com'))\n"
        "    assert [d.state for d in Delivery.objects.all()] == ['queued']\n"
        "    transaction.set_rollback(True)\n"
    )
    project.manage("shell", "-c", sign_up)
    # Their imports would double the memory and the time that the package adds at the start.
    loaded = (
        "import sys; from django.urls import get_resolver; get_resolver().check()\n"
        "print(sorted({'jwt', 'drf_spectacular.openapi'} & set(sys.modules)))"
    )
    assert project.manage("shell", "-v", "0", "-c", loaded) == "[]\n"


#: The host's package of the how-to, whose tests are part of this suite.
SHOP = Path(__file__).parent / "custom_dialects" / "shop"
HOW_TO_ADD = "docs/how-to/add-a-dialect.md"


def test_how_to_shows_what_is_tested():
    """The how-to's code matches the host's package: whole files, and the end of one."""
    acme, its_test, urls, targeted, second = blocks(page(HOW_TO_ADD), "python")
    assert acme == (SHOP / "acme.py").read_text("utf-8")
    assert its_test == (SHOP / "test_acme.py").read_text("utf-8")
    assert targeted == (SHOP / "targeted.py").read_text("utf-8")
    versioned = (SHOP / "versioned.py").read_text("utf-8")
    assert versioned.partition("class VersionedSecond(")[2].startswith(
        second.removeprefix("class VersionedSecond(").rstrip()
    )
    mounted = (SHOP / "urls.py").read_text("utf-8").splitlines()
    assert [line for line in urls.splitlines() if line not in mounted] == []


def module_of(name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Make a module with ``source`` importable during the test."""
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, name, "exec"), vars(module))
    return module


def test_store_of_the_how_to(db, settings, monkeypatch):
    """The how-to's account store finds, confirms and lists by the host's field."""
    (source,) = (
        b for b in blocks(page("docs/how-to/account-stores.md"), "python") if "FieldStore" in b
    )
    # Django's user lacks the how-to's field, so another flag is used.
    module_of("shop_stores", source.replace("email_is_confirmed", "is_staff"), monkeypatch)
    settings.RESEND_CONFIRMATION = {
        **settings.RESEND_CONFIRMATION,
        "ACCOUNTS": "shop_stores.FieldStore",
    }
    user = get_user_model().objects.create_user("ann", "ann@example.com")
    store = accounts.store()
    assert [account.address for account in store.pending()] == ["ann@example.com"]
    request = ResendRequest(identity="ann", client=clients.default())
    assert engine.resend(request).ending is Outcome.SENT
    (account,) = store.find("ann")
    assert store.confirm(account)
    assert not store.confirm(account)
    user.refresh_from_db()
    assert user.is_staff
    assert list(store.pending()) == []
    assert engine.resend(request).ending is Outcome.CONFIRMED


EMAIL_BACKENDS = "docs/reference/email-backends.md"


def test_providers_are_named():
    """The table lists exactly the providers with special code, and their responses."""
    text = section(page(EMAIL_BACKENDS), "Providers")
    assert first_cells(text) == set(anymail_options._ESP_TWEAKS)
    for (_, status), code in anymail_options._DUPLICATE_RESPONSES.items():
        assert f"{status} `{code}`" in text


class Gateway(BaseHTTPRequestHandler):
    """The gateway of the page's example, which responds, hangs up or hangs as a test prescribes."""

    answers: ClassVar[list[int | None]] = []
    requests: ClassVar[list[tuple[str, str, Message]]] = []
    silence = Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        given = message_from_bytes(body)
        self.requests.append((self.path, self.headers["Idempotency-Key"], given))
        status = self.answers.pop(0)
        if status is None:
            self.silence.wait(30)
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture
def gateway(settings, monkeypatch):
    """Configure the page's e-mail backend, and start its gateway."""
    (source,) = blocks(page(EMAIL_BACKENDS), "python")
    module_of("shop_gateway", source, monkeypatch)
    through(settings, "shop_gateway.GatewayBackend")
    Gateway.answers, Gateway.requests, Gateway.silence = [], [], Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        Gateway.protocol_version = "HTTP/1.1"
        settings.MAIL_GATEWAY = f"127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield Gateway
        Gateway.silence.set()
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (202, DeliveryState.SENT, Reason.NONE),
        (503, DeliveryState.QUEUED, Reason.NOT_ACCEPTED),
        (403, DeliveryState.QUEUED, Reason.CONFIGURATION),
        (422, DeliveryState.FAILED, Reason.REFUSED),
        (500, DeliveryState.QUEUED, Reason.DOUBTFUL),
        (0, DeliveryState.QUEUED, Reason.DOUBTFUL),
    ],
)
def test_backend_of_the_page(status, state, reason, gateway, pending):
    """The gateway's responses are classified as the page says."""
    gateway.answers[:] = [status]
    delivery = queued(pending)
    engine.drain()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (state, reason)
    ((path, key, message),) = gateway.requests
    assert path == "/messages/pending%40example.com"
    assert (key, message["To"]) == (delivery.message_id, "pending@example.com")


def test_backend_of_the_page_over_a_batch(gateway, pending, change):
    """Messages share a connection, and a repeat after a lost response has the same key."""
    change(SEND_DEADLINE=1)
    gateway.answers[:] = [202, 202, None, 202]
    for each in (UserFactory.create(), UserFactory.create(), pending):
        delivery = queued(each)
    engine.drain()
    Delivery.objects.filter(state="queued").update(not_before=delivery.asked_at)
    engine.drain()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.doubts) == (DeliveryState.SENT, 1)
    keys = [key for _, key, _ in gateway.requests]
    assert keys[2] == keys[3] == delivery.message_id
    assert len(set(keys)) == 3


def test_backend_of_the_page_without_a_gateway(gateway, pending, settings):
    """If the gateway cannot be reached, the result is not ambiguous."""
    settings.MAIL_GATEWAY = f"127.0.0.1:{free_port()}"
    delivery = queued(pending)
    engine.drain()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, Reason.NOT_ACCEPTED)

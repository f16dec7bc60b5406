"""Rules of the design that can be tested."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from pkgutil import iter_modules

import pytest
from django.core.management import call_command

import resend_confirmation
from resend_confirmation import dialects

PACKAGE = Path(resend_confirmation.__file__).parent
TESTS = Path(__file__).parent
ROOT = TESTS.parent
VENDORS = sorted({module.name for module in iter_modules(dialects.__path__)} - {"base"})
MODULES = sorted(PACKAGE.rglob("*.py"))
#: Written by ``makemigrations``.
GENERATED = PACKAGE / "migrations"


def offenders(paths, find):
    """Return what a rule finds in each file that breaks it."""
    # The package may be installed outside of the repository.
    base = PACKAGE if all(path.is_relative_to(PACKAGE) for path in paths) else ROOT
    found = {str(path.relative_to(base)): find(path) for path in paths}
    return {path: faults for path, faults in found.items() if faults}


#: All files that people wrote; a ``.mo`` is compiled from the ``.po`` next to it.
FILES = sorted(
    path
    for path in PACKAGE.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".mo"
)


def vendor_of(path):
    """Return the vendor in whose module or package the file is."""
    place = path.relative_to(PACKAGE).parts
    name = place[1].removesuffix(".py") if place[0] == "dialects" else ""
    return name if name in VENDORS else None


NEUTRAL = [path for path in FILES if vendor_of(path) is None]


def test_vendors():
    """Every vendor has a module or a package; the base is not a vendor."""
    assert len(VENDORS) >= 4
    assert {vendor_of(path) for path in FILES} == {*VENDORS, None}


def vendors_in(path):
    words = (path.name + path.read_text("utf-8")).lower()
    return [vendor for vendor in VENDORS if vendor in words]


def test_vendors_names():
    """Only a vendor's dialect contains the vendor's name."""
    assert len(NEUTRAL) > 100
    assert offenders(NEUTRAL, vendors_in) == {}


#: The folders of tests of one vendor each, of its dialect or published clients.
FOLDERS = ("dialects", "vendor_clients")
#: Other files that need real dialects: the test site, and tests of complete settings.
SITE = {
    TESTS / "settings.py",
    TESTS / "urls.py",
    TESTS / "test_deployment_checks.py",
    TESTS / "other_packages" / "test_oauth_toolkit.py",
}
NEUTRAL_TESTS = sorted(
    path
    for path in set(TESTS.rglob("*.py")) - SITE
    if path.relative_to(TESTS).parts[0] not in FOLDERS
)


def test_vendors_names_in_tests():
    """Other tests do not name a vendor."""
    assert len(NEUTRAL_TESTS) > 100
    assert offenders(NEUTRAL_TESTS, vendors_in) == {}


@pytest.mark.parametrize("vendor", VENDORS)
def test_vendors_do_not_name_each_other(vendor):
    """A dialect does not name another vendor."""
    words = " ".join(path.read_text("utf-8") for path in FILES if vendor_of(path) == vendor).lower()
    assert vendor in words
    assert [other for other in VENDORS if other != vendor and other in words] == []


def test_docstrings():
    """The docstring of every module starts with a sentence."""

    def find(path):
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        return not docstring.split("\n")[0].rstrip().endswith((".", "?"))

    assert offenders([path for path in MODULES if path.parent != GENERATED], find) == {}


def test_sizes():
    """No module is longer than 300 lines."""
    assert offenders(MODULES, lambda path: path.read_text("utf-8").count("\n") > 300) == {}


#: Modules that take as long to import as this package, and that most processes do not need.
SLOW = {"jwt", "schema"}


def test_imports_stand_at_the_top():
    """Only ``ready`` imports within a function, which Django requires, and what starts slowly."""

    def find(path):
        functions = [
            node
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "ready"
        ]
        return [
            f"{function.name}:{node.lineno}"
            for function in functions
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
            and not {getattr(node, "module", ""), *(each.name for each in node.names)} & SLOW
        ]

    assert offenders(MODULES, find) == {}


#: Fixtures and calls that need to be tested on database servers.
DATABASE = re.compile(r"transaction=True|\bcursor\(\)|\.raw\(|\bThread\(|ThreadPoolExecutor\(")


def unmarked(path):
    """Return the tests and helpers that match ``DATABASE`` without the marker."""
    tree = ast.parse(path.read_text("utf-8"))
    marks = [
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    if any("mark.database" in mark or "mark.faults" in mark for mark in marks):
        return []
    if any(DATABASE.search(mark) for mark in marks):
        return ["pytestmark"]
    functions = [
        (node, [*node.decorator_list, *getattr(owner, "decorator_list", [])])
        for owner in ast.walk(tree)
        if isinstance(owner, ast.Module | ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef)
    ]
    return [
        node.name
        for node, decorators in functions
        if DATABASE.search(ast.unparse(node))
        and not any("mark.database" in ast.unparse(decorator) for decorator in decorators)
    ]


def test_database_tests_are_marked():
    """Tests with commits, SQL or threads are marked to run on the database servers too."""
    found = offenders(sorted(TESTS.rglob("test_*.py")), unmarked)
    # Threads without a database: servers, and one that builds a link.
    assert found == {
        "tests/dialects/test_fuzz.py": ["wsgi", "asgi"],
        "tests/test_docs.py": ["gateway"],
        "tests/test_anymail.py": ["test_untrusted_certificate", "__init__"],
        "tests/vendor_clients/test_browsers.py": ["elsewhere"],
        "tests/host_projects/test_links.py": ["test_script_prefix"],
    }


def test_floors():
    """The contracts of import-linter hold: a layer only imports lower ones."""
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("import-linter is not installed")
    command = [linter, "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.django_db
def test_migrations():
    """The migrations match the models."""
    call_command("makemigrations", "resend_confirmation", check=True, dry_run=True)


def test_texts_of_exceptions_are_not_logged():
    """Exceptions are only logged through ``failures``, which omits their text."""

    def find(path):
        tree = ast.parse(path.read_text("utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        return [
            call.lineno
            for call in calls
            if (
                isinstance(call.func, ast.Attribute)
                and call.func.attr in {"exception", "print_exc"}
            )
            or any(keyword.arg == "exc_info" for keyword in call.keywords)
        ]

    assert offenders(MODULES, find) == {}

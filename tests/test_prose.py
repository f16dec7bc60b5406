"""Docstrings, comments, messages and documentation are in plain words."""

from pathlib import Path

import pytest

import resend_confirmation

from .prose import Text, docstrings, modules, paragraphs, strings, texts

ROOT = Path(__file__).parents[1]
PACKAGE = Path(resend_confirmation.__file__).parent
EXAMPLE = ROOT / "example_project"
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])


def check(faulty: list[Text], total: int, percent: float) -> None:
    """Fail with the place and the words of each fault if there are more than ``percent``."""
    assert total > 20
    if 100 * len(faulty) > percent * total:
        lines = "\n".join(str(text) for text in faulty)
        pytest.fail(f"{len(faulty)} of {total} texts, at most {percent} %:\n{lines}")


@pytest.mark.parametrize(
    "folder", [PACKAGE, EXAMPLE, Path(__file__).parent], ids=lambda folder: folder.name
)
def test_docstrings_and_comments(folder):
    """At most 3 % of docstrings and comments have unusual wording."""
    found = texts(modules(folder))
    check([text for text in found if text.faults], len(found), 3)


@pytest.mark.parametrize("folder", [PACKAGE, EXAMPLE], ids=lambda folder: folder.name)
def test_functions_open_with_a_verb(folder):
    """At most 5 % of the docstrings of functions open with another word than a verb."""
    found = [text for path in modules(folder) for text in docstrings(path) if text.is_function]
    check([text for text in found if not text.opens_with_verb], len(found), 5)


@pytest.mark.parametrize("folder", [PACKAGE, EXAMPLE], ids=lambda folder: folder.name)
def test_messages(folder):
    """No message, hint or help has unusual wording."""
    found = [text for path in modules(folder) for text in strings(path)]
    check([text for text in found if text.faults], len(found), 0)


def test_documentation():
    """At most 3 % of the documentation's paragraphs have unusual wording."""
    found = [text for path in PAGES for text in paragraphs(path)]
    check([text for text in found if text.faults], len(found), 3)


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ("What a client sent.", ["clause: What"]),
        ("Return it. Whose is an id?", []),
        ("Return whether somebody called.", ["nobody: somebody"]),
        ("Count the tries anew.", ["archaic: anew"]),
        ("A byte that is no UTF-8.", ["is-no: is no UTF"]),
        ("It is no longer there.", []),
        ("An id of its own.", ["of-ours: of its own"]),
        ("Return ``nobody`` or 'whoever'.", []),
    ],
)
def test_rules(words, faults):
    """Each rule finds its words, but not in questions, code and quotations."""
    assert Text(PACKAGE, 1, words).faults == faults


@pytest.mark.parametrize(
    ("words", "verb"),
    [("Return it.", True), ("Lazily re-raise it.", True), ("Returns it.", False), ("It.", False)],
)
def test_verbs(words, verb):
    """An imperative counts, after an adverb and with a prefix too; a third person does not."""
    assert Text(PACKAGE, 1, words).opens_with_verb is verb

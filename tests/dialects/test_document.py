"""The example site's OpenAPI document, compared with the published one."""

import difflib
from pathlib import Path

import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.demonstration import ROOT, manage

pytestmark = pytest.mark.django

#: The published document, so that each change of it is visible in the diff.
GOLDEN = ROOT / "docs" / "dialects" / "openapi.yaml"
RENEW = (
    ".venv/bin/python example_project/manage.py spectacular --validate --fail-on-warn"
    " --file docs/dialects/openapi.yaml"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The document that the command generates, without warnings."""
    folder: Path = tmp_path_factory.mktemp("document")
    ran = manage(folder, "spectacular", "--validate", "--fail-on-warn")
    assert (ran.returncode, ran.stderr) == (0, "")
    return yaml.safe_load(ran.stdout)


def lines(document) -> list[str]:
    """Return a document's lines, sorted by key."""
    return yaml.safe_dump(document, sort_keys=True, allow_unicode=True, width=100).splitlines()


def test_document_is_the_published_one(made):
    """The generated document equals the published one, apart from formatting."""
    published = lines(yaml.safe_load(GOLDEN.read_text(encoding="utf-8")))
    changed = list(difflib.unified_diff(published, lines(made), "published", "made", lineterm=""))
    assert changed == [], "\n".join([*changed, f"If that is meant: {RENEW}"])


def test_document_is_valid():
    """The published document is valid OpenAPI 3.0."""
    document = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))
    assert document["openapi"] == "3.0.3"
    assert [error.message for error in OpenAPIV30SpecValidator(document).iter_errors()] == []

"""The metadata of a built package: links, URLs and version."""

import re
import tomllib
from pathlib import Path

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

import resend_confirmation

REPO = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    not (REPO / "hatch_build.py").exists() or not (REPO / "resend_confirmation").is_dir(),
    reason="the source is not here: an installed wheel is tested",
)


def metadata_with(repository):
    """Return the metadata that hatchling builds for a repository with this URL."""
    config = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
    config["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"] = repository
    return ProjectMetadata(str(REPO), PluginManager(), config).core


@pytest.fixture(scope="module")
def built():
    """The metadata for a repository with an invented URL."""
    return metadata_with("https://forge.example/team/project/")


def test_no_link_is_relative(built):
    """All links of the description are absolute or to one of its headings."""
    targets = re.findall(r"]\(([^)\s]+)\)", built.readme)
    assert [t for t in targets if not t.startswith(("https://", "#"))] == []
    assert "](https://forge.example/team/project/blob/main/docs/index.md#how-to)" in built.readme


def test_picture_is_the_file_itself(built):
    """A picture of the description is not the address of the page that shows it."""
    (address,) = re.findall(r"!\[[^\]]+]\(([^)\s]+)\)", built.readme)
    assert address == "https://forge.example/team/project/raw/main/docs/pictures/front.png"
    assert (REPO / "docs" / "pictures" / "front.png").is_file()


def test_files_of_links_exist(built):
    """The files that the description links to in the repository exist."""
    start = "https://forge.example/team/project/blob/main/"
    linked = re.findall(rf"]\({re.escape(start)}([^)#\s]+)", built.readme)
    assert len(linked) > 10
    assert [name for name in linked if not (REPO / name).is_file()] == []


def test_urls(built):
    """The project's URLs are built from the repository's URL."""
    assert built.urls == {
        "Changelog": "https://forge.example/team/project/blob/main/CHANGELOG.md",
        "Documentation": "https://forge.example/team/project/blob/main/docs/index.md",
        "Issues": "https://forge.example/team/project/issues",
        "Source": "https://forge.example/team/project",
    }


def test_url_is_in_one_file():
    """Only pyproject.toml contains the placeholder for the repository's URL."""
    placeholder = "https://example.com/" + "OWNER"
    files = [
        *REPO.glob("*.md"),
        *REPO.glob("*.toml"),
        *REPO.glob("*.py"),
        *REPO.rglob("docs/**/*.md"),
    ]
    found = [p.name for p in files if placeholder in p.read_text(encoding="utf-8")]
    assert found == ["pyproject.toml"]


def test_version():
    """The metadata's version is that of the package."""
    found = ProjectMetadata(str(REPO), PluginManager())
    assert found.version == resend_confirmation.__version__

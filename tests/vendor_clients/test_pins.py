"""The clients' versions: in package.json, in the lock file and in the documentation."""

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DIALECTS = HERE.parents[1] / "docs" / "dialects"
PACKAGE = json.loads((HERE / "package.json").read_text())
LOCK = json.loads((HERE / "package-lock.json").read_text())


def test_lock():
    """The lock file matches package.json, and has hashes but no URLs."""
    packages = LOCK["packages"]
    assert packages[""]["dependencies"] == PACKAGE["dependencies"]
    assert len(packages) > 100
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("xsolla", "@xsolla/login-sdk"),
        ("backendless", "backendless"),
        ("strapi", "strapi-sdk-js"),
        ("strapi", "strapi-sdk-js-1"),
        ("strapi", "strapi-sdk-js-2"),
    ],
)
def test_documented(page, name):
    """The vendor's page names the tested version."""
    package, _, version = PACKAGE["dependencies"][name].removeprefix("npm:").rpartition("@")
    text = (DIALECTS / f"{page}.md").read_text(encoding="utf-8")
    assert f"| npm `{package or name}` {version} " in text

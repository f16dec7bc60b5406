"""The metadata that depends on where the repository is published: links and the description."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"(!\[[^\]]*\])\((?![a-z]+:)([^)\s]+)\)")
_RELATIVE = re.compile(r"\]\((?![a-z]+:|#)([^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Set ``urls`` and ``readme`` from the one address in ``pyproject.toml``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the project's URLs, and the README with its relative links made absolute."""
        repository = self.config["repository"].rstrip("/")
        files = f"{repository}/blob/{self.config['branch']}/"
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        # The page of a file is not the picture itself.
        text = _PICTURE.sub(rf"\1({repository}/raw/{self.config['branch']}/\2)", text)
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _RELATIVE.sub(rf"]({files}\1)", text),
        }
        metadata["urls"] = {
            "Documentation": f"{files}docs/index.md",
            "Changelog": f"{files}CHANGELOG.md",
            "Source": repository,
            "Issues": f"{repository}/issues",
        }

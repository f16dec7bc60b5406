"""Create a site with ``startproject`` and add code from the documentation, unchanged."""

import os
import subprocess
import sys
from pathlib import Path

import resend_confirmation

#: Long enough for all checks of Django and of this package.
SECRET_KEY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"


class NewProject:
    """The project ``shop`` in a folder, independent of the tests' settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("-m", "django", "startproject", "shop", ".")

    def append(self, name: str, *blocks: str) -> None:
        """Append ``blocks`` to a module; lists of apps are added to the existing list."""
        with (self.folder / "shop" / name).open("a") as file:
            for block in blocks:
                file.write("\n" + block.replace("INSTALLED_APPS = [\n", "INSTALLED_APPS += [\n"))

    def write(self, name: str, source: str) -> None:
        """Write a module of the project."""
        (self.folder / "shop" / name).write_text(source)

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the project's folder and return the finished process."""
        env = {name: v for name, v in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        # Import the package under test, even if it is not installed.
        env["PYTHONPATH"] = str(Path(resend_confirmation.__file__).parents[1])
        env["SECRET_KEY"] = SECRET_KEY
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def run(self, *arguments: str) -> str:
        """Run Python and return its stdout and stderr; it must exit with 0."""
        done = self.ask(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def manage(self, *arguments: str) -> str:
        """Run a command of ``manage.py`` and return its stdout and stderr; it must exit with 0."""
        return self.run("manage.py", *arguments)

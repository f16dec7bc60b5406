"""Resend the confirmation e-mail, with the exact answers of the vendors that sites leave."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import confirm as confirm
    from .engine import resend as resend
    from .engine import start as start
    from .engine import withdraw as withdraw


__version__ = "0.1.0"

_ENGINE = {"confirm", "resend", "start", "withdraw"}


def __getattr__(name: str) -> Any:
    """Look the engine's functions up when asked for, since models cannot load before Django."""
    if name in _ENGINE:
        return getattr(import_module(".engine", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

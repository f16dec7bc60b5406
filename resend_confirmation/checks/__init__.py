"""System checks: what is wrong with the settings, each with an id of its own and a hint."""

from . import (
    calling,
    carrying,
    configuration,
    deployment,
    issuing,
    mailing,
    mounting,
    routing,
    shadowing,
)

__all__ = [
    "calling",
    "carrying",
    "configuration",
    "deployment",
    "issuing",
    "mailing",
    "mounting",
    "routing",
    "shadowing",
]

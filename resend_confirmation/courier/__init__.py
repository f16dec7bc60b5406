"""Carrying messages out, from rows that were committed; the only part that sends."""

from .carry import Round, carry
from .wake import wake

__all__ = ["Round", "carry", "wake"]

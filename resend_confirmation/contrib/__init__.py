"""Bridges to other packages, each imported only by hosts that use it."""

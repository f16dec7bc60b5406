"""Dialects: one module for each vendor's API; each module is a URLconf."""

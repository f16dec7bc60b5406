"""Dialects: one vendor's way of asking and answering in each module, itself a URLconf."""

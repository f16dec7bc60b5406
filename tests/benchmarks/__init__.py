"""Benchmarks, each a subcommand of ``python -m tests.benchmarks``."""

"""Benchmarks, each of which is a command. The tests do not run them."""

"""Beside other packages on one site: run by tests/test_neighbours.py in a process of its own."""

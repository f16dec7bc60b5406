"""Tests with other packages; tests/test_other_packages.py runs them in a subprocess."""

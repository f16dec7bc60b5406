"""Tests with other packages installed; tests/test_other_packages.py runs them in a subprocess."""

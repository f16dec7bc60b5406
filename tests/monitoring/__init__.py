"""Metrics for Prometheus and a check for django-health-check, in a process of their own.

Once it is imported, the module with the metrics listens to the package's signals.
"""

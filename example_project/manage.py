#!/usr/bin/env python
"""Runs the example site's commands; ``manage.py demo`` is the one to start with."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")
    execute_from_command_line(sys.argv)

"""Answers, messages and links on hosts with their own settings, users and databases."""

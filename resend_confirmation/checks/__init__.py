"""System checks: a module per subject, and an id and a hint for each problem."""

from . import clients, deploy, mail, plugins, settings, urls, users

__all__ = ["clients", "deploy", "mail", "plugins", "settings", "urls", "users"]

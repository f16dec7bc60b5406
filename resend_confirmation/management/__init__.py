"""Implementation of the management command's subcommands."""

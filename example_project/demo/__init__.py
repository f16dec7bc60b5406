"""The demonstration: its accounts, its front page and the commands that start it."""

"""The example site: every dialect mounted, on settings read from the environment."""

"""The vendors' published clients, used with the example site."""

"""The vendors' own clients, as they are published, against the example site."""

"""An app with users whose key is a UUID."""

"""An app with users who have no user name."""

"""An app whose users have no user name."""

"""An app whose users have a UUID as the primary key."""

"""Places where a token or an address might leak: reports, logs, the admin, tasks, packages."""

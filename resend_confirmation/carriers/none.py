"""The carrier that wakes nobody: rows wait for ``manage.py resend_confirmation drain``."""


class NoCarrier:
    """For sites that drain by cron or by a process of their own."""

    def wake(self) -> None:
        """Leave the rows where they are."""

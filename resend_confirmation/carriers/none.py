"""The no-op carrier: rows wait for ``manage.py resend_confirmation drain``."""


class NoCarrier:
    """For sites that drain with cron or with a separate process."""

    def wake(self) -> None:
        """Leave the rows where they are."""

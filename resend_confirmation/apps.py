"""The application's wiring: its name, its checks."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ResendConfirmationConfig(AppConfig):
    """What ``INSTALLED_APPS`` loads."""

    name = "resend_confirmation"
    verbose_name = _("Resend confirmation")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Bind the system checks and the receiver of providers' reports."""
        from . import checks, tracking  # noqa: F401, PLC0415

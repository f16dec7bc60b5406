"""The app's configuration: name, checks, receivers, and the filter of access logs."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ResendConfirmationConfig(AppConfig):
    name = "resend_confirmation"
    verbose_name = _("Resend confirmation")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, redaction, tracking  # noqa: F401, PLC0415
        from .contrib import registration_redux  # noqa: PLC0415
        from .engine import host_changes  # noqa: PLC0415

        redaction.guard_access_logs()
        host_changes.listen()
        if registration_redux.is_installed():
            registration_redux.connect()
        # This imports the store's module, which may connect to the package that it reads.
        host_changes.watch()

"""The application's wiring: its name, its checks, its filter of access logs."""

from contextlib import suppress

from django.apps import AppConfig
from django.db.models.signals import post_save, pre_save
from django.utils.translation import gettext_lazy as _


class ResendConfirmationConfig(AppConfig):
    """What ``INSTALLED_APPS`` loads."""

    name = "resend_confirmation"
    verbose_name = _("Resend confirmation")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Bind the system checks and the receivers; guard access logs."""
        from . import accounts, checks, redaction, tracking  # noqa: F401, PLC0415
        from .contrib import registration_redux  # noqa: PLC0415
        from .engine import elsewhere  # noqa: PLC0415

        redaction.guard_access_logs()
        # Without a sender: proxies of the user model are saved under their own names.
        pre_save.connect(elsewhere.before_save)
        post_save.connect(elsewhere.after_save)
        elsewhere.listen()
        if registration_redux.is_installed():
            registration_redux.connect()
        # Its module may listen to the package that it reads; what is wrong with it E007 says.
        with suppress(Exception):
            accounts.store()

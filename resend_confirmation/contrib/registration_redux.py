"""django-registration-redux: mark its profile as activated when an account is confirmed here.

https://django-registration-redux.readthedocs.io/en/latest/default-backend.html
"""

from typing import Any

from django.apps import apps
from django.db.models.signals import post_save

from .. import signals
from ..engine import host_changes

#: The package's app and model; another app with this label has no such model.
PROFILE = ("registration", "RegistrationProfile")


def is_installed() -> bool:
    """Return whether the site has the package's profiles."""
    registration, profile = PROFILE
    return apps.is_installed(registration) and profile.lower() in apps.all_models[registration]


def connect() -> None:
    """Connect to new profiles, and to ``confirmed`` to mark them in its transaction."""
    post_save.connect(start_waiting, sender=apps.get_model(*PROFILE))
    signals.confirmed.connect(mark_activated)


def start_waiting(sender: Any, instance: Any, created: bool, raw: bool, **_: Any) -> None:
    """Make an inactive account wait once it has a profile to activate, with FlagStore."""
    if created and not raw and not instance.activated:
        host_changes.after_sign_up(sender, instance.user)


def mark_activated(sender: Any, user: Any, **_: Any) -> None:
    """Set ``activated``, as the package's own link does.

    Otherwise that link would reactivate an account which staff deactivated later, and
    ``cleanupregistration`` would then delete the account.
    """
    profiles = apps.get_model(*PROFILE)._default_manager
    profiles.filter(user=user.pk, user__is_active=True, activated=False).update(activated=True)

"""django-registration-redux: spend its activation key when an account is confirmed here.

https://django-registration-redux.readthedocs.io/en/latest/default-backend.html
"""

from typing import Any

from django.apps import apps

from .. import signals

#: The package's app and model; another app with this label has no such model.
PROFILE = ("registration", "RegistrationProfile")


def is_installed() -> bool:
    """Return whether the site has the package's profiles."""
    registration, profile = PROFILE
    return apps.is_installed(registration) and profile.lower() in apps.all_models[registration]


def connect() -> None:
    """Mark profiles from now on, in the transaction that confirms."""
    signals.confirmed.connect(mark_activated)


def mark_activated(sender: Any, user: Any, **_: Any) -> None:
    """Set ``activated``, as the package's own link does.

    Otherwise that link would reactivate an account which staff deactivated later, and
    ``cleanupregistration`` would then delete the account.
    """
    profiles = apps.get_model(*PROFILE)._default_manager
    profiles.filter(user=user.pk, user__is_active=True, activated=False).update(activated=True)

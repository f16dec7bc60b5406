"""The store of sites on which ``is_active=False`` means 'has not confirmed yet'."""

from typing import Any

from django.db.models import Q

from ..outcomes import ConfirmationState, Standing
from .confirmation_store import Account, ConfirmationStore
from .users import user_with_address


class FlagStore(ConfirmationStore):
    """Account store for sites on which ``is_active=False`` means 'has not confirmed yet'.

    An account is pending if it is inactive, has never logged in and has a pending confirmation:
    from ``start``, or from a sign-up with a package that this one listens to. Any other inactive
    account was imported, or deactivated by staff, and is blocked.
    """

    watches_saves = True

    def standing(self, user: Any, state: str | None) -> Standing:
        if user.is_active:
            return Standing.CONFIRMED
        waits = user.last_login is None and state == ConfirmationState.PENDING
        return Standing.PENDING if waits else Standing.BLOCKED

    def confirm(self, account: Account) -> bool:
        """Activate the account, unless it was activated, used or deactivated since it was read."""
        waiting = user_with_address(account).filter(is_active=False, last_login=None)
        if not waiting.update(is_active=True):
            return False
        # Receivers of ``confirmed`` may save the user that they receive.
        account.user.is_active = True
        return True

    def _waits(self, **bounds: Any) -> Q:
        return super()._waits(**bounds) & Q(is_active=False, last_login=None)

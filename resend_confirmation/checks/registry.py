"""Registering a check so that an error in it does not break other checks."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured

ID = "resend_confirmation"

Check = Callable[..., Iterable[CheckMessage]]


def bind(*tags: str, deploy: bool = False) -> Callable[[Check], Check]:
    """Register a check under our tag and ``tags``, with ``deploy`` for ``--deploy`` only."""

    def decorate(check: Check) -> Check:
        @functools.wraps(check)
        def bound(**kwargs: Any) -> list[CheckMessage]:
            try:
                return list(check(**kwargs))
            except ImproperlyConfigured:
                return []  # Reported as E002, E005 or by Django's own check of that setting.
            except Exception as error:
                # The text of the error may contain a password.
                text = f"{check.__name__} could not run: {type(error).__name__}"
                hint = "This may be a bug in this package: please report it."
                return [checks.Warning(text, hint=hint, id=f"{ID}.W015")]

        register(bound, ID, *tags, deploy=deploy)
        return check

    return decorate

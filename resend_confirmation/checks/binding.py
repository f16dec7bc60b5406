"""Binding a check to Django's registry, so that it can stop nothing by failing itself."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured

ID = "resend_confirmation"

Check = Callable[..., Iterable[CheckMessage]]


def bind(*tags: str, deploy: bool = False) -> Callable[[Check], Check]:
    """Register a check under our tag and ``tags``; ``deploy`` ones run for ``--deploy`` alone."""

    def decorate(check: Check) -> Check:
        @functools.wraps(check)
        def bound(**kwargs: Any) -> list[CheckMessage]:
            try:
                return list(check(**kwargs))
            except ImproperlyConfigured:
                return []  # E002, E005 or Django's own check of that setting says so.
            except Exception as error:
                # Its text may hold anything, a password among it.
                text = f"{check.__name__} could not be run: {type(error).__name__}"
                hint = "It may be a fault of this package: please report it."
                return [checks.Warning(text, hint=hint, id=f"{ID}.W015")]

        register(bound, ID, *tags, deploy=deploy)
        return check

    return decorate

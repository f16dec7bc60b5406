"""The check that the carrier makes of its own, where it has any."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage

from .. import conf
from ..courier.wake import carrier
from .binding import bind


@bind(deploy=True)
def check_carrier(**_: Any) -> Sequence[CheckMessage]:
    """What the carrier finds wrong, where it has a method ``check``."""
    try:
        check = getattr(carrier(conf.get().CARRIER), "check", None)
    except ImportError:
        return []  # E007 says so.
    found: Sequence[CheckMessage] = check() if check else []
    return found

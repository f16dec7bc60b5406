"""Arguments that the subcommands with bulk runs share."""

from typing import Any

from ..engine.runs import BATCH
from ..outcomes import DeliveryState
from .converters import domain, duration, positive, rate


def add_limits(group: Any) -> None:
    """Add the options that limit a call of a bulk run."""
    group.add_argument(
        "--limit", type=positive, metavar="N", help="stop after N messages; run again for more"
    )
    group.add_argument(
        "--rate",
        type=rate,
        metavar="RATE",
        help="make the messages due at this rate, e.g. 50/s, 3000/h (default: all at once)",
    )
    group.add_argument(
        "--batch-size",
        type=positive,
        default=BATCH,
        metavar="N",
        help=f"accounts per transaction (default: {BATCH})",
    )
    group.add_argument("--yes", action="store_true", help="do not ask before it begins")


def add_ages(group: Any) -> None:
    """Add the filters by the ages of the request and of the last message."""
    group.add_argument(
        "--not-sent-since",
        type=duration,
        metavar="DURATION",
        help="who got no message within this time, e.g. 90s, 30m, 12h, 7d",
    )
    group.add_argument(
        "--older-than",
        type=duration,
        metavar="DURATION",
        help="whose confirmation was requested longer ago than this",
    )


def add_filters(group: Any) -> None:
    """Add the other filters."""
    states = [state.value for state in DeliveryState]
    group.add_argument(
        "--last-state", choices=states, metavar="STATE", help="whose last message has this state"
    )
    group.add_argument("--never-sent", action="store_true", help="who never got a message")
    group.add_argument(
        "--newer-than",
        type=duration,
        metavar="DURATION",
        help="whose confirmation was requested within this time",
    )
    group.add_argument(
        "--language",
        metavar="CODE",
        help="whose confirmation has this language, or a regional variant of it",
    )
    group.add_argument("--domain", type=domain, metavar="DOMAIN", help="with addresses at DOMAIN")

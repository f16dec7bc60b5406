"""The example site with clients of another choice: those that a vendor's request cannot name."""

import environ
from example.settings import *  # noqa: F403
from example.settings import RESEND_CONFIRMATION

env = environ.Env()


def nobody() -> list[dict[str, object]]:
    """The clients of a host that keeps them in a table, and has none yet."""
    return []


if env.str("DEFAULT_CLIENT") == "nobody":
    RESEND_CONFIRMATION = {**RESEND_CONFIRMATION, "CLIENTS": "tests.vendor_clients.settings.nobody"}
else:
    RESEND_CONFIRMATION = {
        **RESEND_CONFIRMATION,
        "CLIENTS": [
            {**client, "default": client["name"] == env.str("DEFAULT_CLIENT")}
            for client in RESEND_CONFIRMATION["CLIENTS"]
        ],
    }

"""The example site with another default client, or without clients."""

import environ
from example.settings import *  # noqa: F403
from example.settings import RESEND_CONFIRMATION

env = environ.Env()


def nobody() -> list[dict[str, object]]:
    """Return no clients, as a callable with an empty table might."""
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

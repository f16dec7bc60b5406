"""The calling applications of the example site; a real one keeps secrets out of its source."""

from typing import Any

#: ``{site}`` in a redirect is the address of this site, whose landing page stands for the
#: client's own.
_CLIENTS: list[dict[str, Any]] = [
    {
        "name": "game",
        "default": True,
        "ids": {
            "xsolla-oauth2": 57,
            "xsolla-jwt": "40db2ea4-5d42-11e6-a3ff-005056a0e04a",
            "backendless": "F2FE78BB-5D08-44FE-B074-6E7C29B49B03",
        },
        "keys": {
            "backendless": [
                "7C1A9E00-0000-4000-8000-000000000001",
                "7C1A9E00-0000-4000-8000-000000000002",
            ]
        },
        "redirects": ["{site}/landing/game/"],
        "signing": {"key": "the game's secret, known to its own servers alone, 32 bytes or more"},
    },
    {
        "name": "arcade",
        "ids": {
            "xsolla-oauth2": 58,
            "xsolla-jwt": "5b0e9c1e-77a1-4f5c-9d6a-0d1f5a3b2c58",
            "backendless": "0B6C1E5A-58AA-4C1D-8A58-000000000058",
        },
        "keys": {"backendless": ["7C1A9E00-0000-4000-8000-000000000058"]},
        "redirects": [
            "https://arcade.example/a",
            "https://arcade.example/b?keep=1",
            "app://xlogin.com.example.arcade",
            "{site}/landing/arcade/?keep=1",
        ],
        "signing": {"key": "the arcade's secret, known to its own servers alone, 32 bytes or more"},
    },
    {
        "name": "kiosk",
        "required": False,
        "ids": {
            "xsolla-oauth2": 59,
            "xsolla-jwt": "9f2d4a60-1111-4c59-8b59-000000000059",
            "backendless": "0B6C1E5A-59AA-4C1D-8A59-000000000059",
        },
        "keys": {"backendless": ["7C1A9E00-0000-4000-8000-000000000059"]},
        "redirects": ["https://kiosk.example/"],
        "signing": {"key": "the kiosk's secret, known to its own servers alone, 32 bytes or more"},
    },
]


def clients_at(site: str) -> list[dict[str, Any]]:
    """Return the clients, with the redirects that they have if this site is at ``site``."""
    return [
        {**client, "redirects": [url.replace("{site}", site) for url in client["redirects"]]}
        for client in _CLIENTS
    ]

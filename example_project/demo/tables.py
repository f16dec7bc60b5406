"""The accounts and clients as rows, for the terminal and for the front page."""

from collections.abc import Sequence

from resend_confirmation import clients
from resend_confirmation.clients import Client

from .data import ACCOUNTS

ACCOUNT_COLUMNS = ("account", "user name", "seeded as", "client", "language")
CLIENT_COLUMNS = ("client", "client_id", "projectId", "app id / keys", "redirects")

Row = Sequence[Sequence[str]]


def account_rows() -> list[Row]:
    """Return one row per account; a cell is a list of lines."""
    return [
        ([a.address], [a.username], [a.standing.value], [a.client], [a.language]) for a in ACCOUNTS
    ]


def client_rows() -> list[Row]:
    """Return one row per client of the settings."""
    return [
        (
            [_name(client)],
            [client.ids["xsolla-oauth2"]],
            [client.ids["xsolla-jwt"]],
            [client.ids["backendless"], *client.keys["backendless"]],
            [redirect.url for redirect in client.redirects],
        )
        for client in clients.registry().clients
    ]


def _name(client: Client) -> str:
    if client.default:
        return f"{client.name} (the default)"
    return client.name if client.required else f"{client.name} (confirmation not required)"


def as_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Format a table for a terminal."""
    cells = [[[column] for column in columns], *rows]
    widths = [max(len(line) for row in cells for line in row[i]) for i in range(len(columns))]
    lines = [
        "  ".join(
            (cell[n] if n < len(cell) else "").ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
        for n in range(max(len(cell) for cell in row))
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)

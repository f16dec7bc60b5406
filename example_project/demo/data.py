"""The accounts of the demonstration."""

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """The state in which seeding leaves an account."""

    WAITS = "waits for confirmation"
    CONFIRMED = "confirmed"
    BLOCKED = "deactivated by staff while pending"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One account; ``client`` and ``language`` are those of its sign-up, if it named them."""

    address: str
    username: str
    standing: Standing = Standing.WAITS
    client: str = ""
    language: str = ""


ACCOUNTS = [
    DemoAccount("pending@example.com", "pending"),
    DemoAccount("Pending.Upper@Example.com", "pending_upper"),
    DemoAccount("confirmed@example.com", "confirmed", Standing.CONFIRMED),
    DemoAccount("blocked@example.com", "blocked", Standing.BLOCKED),
    DemoAccount("plus+tag@example.com", "plus"),
    DemoAccount("grüße@bücher.example", "umlaut"),
    DemoAccount("number@example.com", "7001"),
    DemoAccount("lena@example.com", "lena", client="arcade", language="de"),
    DemoAccount("chloe@example.com", "chloe", client="arcade", language="fr"),
    DemoAccount("pablo@example.com", "pablo", language="es"),
    DemoAccount("joao@example.com", "joao", language="pt-br"),
]
#: An address without an account.
UNKNOWN = "nobody@example.com"


def bulk_account(number: int) -> DemoAccount:
    """Return one of the accounts added in bulk: pending000001 and so on."""
    name = f"pending{number:06}"
    return DemoAccount(f"{name}@example.com", name)

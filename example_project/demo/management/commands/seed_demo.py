"""``manage.py seed_demo``: the accounts of the demonstration, created once and printed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from demo import seeding, tables


class Command(BaseCommand):
    """Create the accounts that do not exist yet; existing ones are left as they are."""

    help = "Creates the demonstration's accounts and prints them with the clients."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the number of further accounts, and the admin's password."""
        parser.add_argument(
            "--pending",
            type=int,
            default=0,
            metavar="N",
            help="also add pending000001@example.com and so on, N of them",
        )
        parser.add_argument("--password", default="", help="set the admin's password to this")

    def handle(self, *, pending: int, password: str, **options: Any) -> None:
        """Seed, then print."""
        seeding.seed_accounts()
        seeding.seed_bulk(pending)
        admin = seeding.seed_admin(password)
        self.stdout.write(tables.as_text(tables.ACCOUNT_COLUMNS, tables.account_rows()))
        if pending:
            self.stdout.write(f"and pending000001@example.com to pending{pending:06}@example.com")
        self.stdout.write("")
        self.stdout.write(tables.as_text(tables.CLIENT_COLUMNS, tables.client_rows()))
        self.stdout.write(f"\nadmin: {admin}")

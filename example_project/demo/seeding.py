"""Create the accounts that do not exist yet; existing ones are left as they are."""

from collections.abc import Sequence

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.crypto import get_random_string

from resend_confirmation import engine, tokens
from resend_confirmation.addresses import Address
from resend_confirmation.limits import cooldown

from .bulk import copy_row
from .data import ACCOUNTS, DemoAccount, Standing, bulk_account

ADMIN = "admin"
#: Accounts in bulk that go into one transaction.
CHUNK = 900


@transaction.atomic
def seed_accounts() -> None:
    """Create the accounts of the table."""
    for account in ACCOUNTS:
        # Not create_user(), which would convert the domain to lower case.
        user, created = User.objects.get_or_create(
            username=account.username,
            defaults={"email": account.address, "password": make_password(None)},
        )
        if created:
            _bring_to(account, user)


def _bring_to(account: DemoAccount, user: User) -> None:
    confirmation = engine.start(user, client=account.client, language=account.language, send=False)
    if account.standing is Standing.CONFIRMED:
        engine.confirm_by_hand(confirmation)
    elif account.standing is Standing.BLOCKED:
        user.is_active = False
        user.save(update_fields=["is_active"])


def seed_bulk(count: int) -> None:
    """Create the accounts pending000001 to ``count``, all pending."""
    # One for all: hashing a password is slow on purpose.
    password = make_password(None)
    for first in range(1, count + 1, CHUNK):
        last = min(first + CHUNK - 1, count)
        _seed_chunk([bulk_account(number) for number in range(first, last + 1)], password)


@transaction.atomic
def _seed_chunk(accounts: Sequence[DemoAccount], password: str) -> None:
    names = [account.username for account in accounts]
    known = set(User.objects.filter(username__in=names).values_list("username", flat=True))
    new = [account for account in accounts if account.username not in known]
    if not new:
        return
    # The first is created as usual; the others are copies of its two rows.
    first = User.objects.create(username=new[0].username, email=new[0].address, password=password)
    confirmation = engine.start(first, send=False)
    copy_row(first, ["username", "email"], [(each.username, each.address) for each in new[1:]])
    users = User.objects.filter(username__in=[each.username for each in new[1:]])
    copy_row(
        confirmation,
        ["account_id", "address", "fingerprint", "cooldown_id", "selector"],
        [
            (
                pk,
                address.stored,
                address.fingerprint,
                cooldown.digest(address.canonical),
                tokens.new_selector(),
            )
            for pk, email in users.values_list("pk", "email")
            if (address := Address.parse(email))
        ],
    )


def seed_admin(password: str = "") -> str:
    """Create the superuser, or set its password; return a line that says how to log in."""
    admin = User.objects.filter(username=ADMIN).first()
    if admin is not None and not password:
        return (
            f"user {ADMIN} exists, its password was printed when it was created; "
            "to set one: manage.py seed_demo --password <password>"
        )
    password = password or get_random_string(16)
    if admin is None:
        User.objects.create_superuser(ADMIN, "admin@site.example", password)
    else:
        admin.set_password(password)
        admin.save(update_fields=["password"])
    return f"user {ADMIN}, password {password}"

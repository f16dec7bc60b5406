"""Factories for accounts and for the confirmations that a sign-up starts."""

from django.contrib.auth import get_user_model
from factory.declarations import LazyAttribute, Sequence
from factory.django import DjangoModelFactory
from factory.helpers import post_generation

from resend_confirmation import start
from resend_confirmation.addresses import Address
from resend_confirmation.models import Delivery


def address_of(text: str) -> Address:
    """Parse an address that must be valid."""
    address = Address.parse(text)
    assert address is not None
    return address


class UserFactory(DjangoModelFactory):
    """A user without a confirmation."""

    class Meta:
        model = get_user_model()

    username = Sequence(lambda n: f"player{n}")
    email = LazyAttribute(lambda user: f"{user.username}@example.com")

    @classmethod
    def _adjust_kwargs(cls, **kwargs):
        """Omit the user name if the user model does not have one."""
        has_one = any(field.name == "username" for field in get_user_model()._meta.get_fields())
        return kwargs if has_one else {n: value for n, value in kwargs.items() if n != "username"}


class PendingFactory(UserFactory):
    """A user with a pending confirmation; no message was sent, and there is no cooldown."""

    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    @post_generation
    def confirmation(self, create, extracted, **kwargs):
        """Start the confirmation without sending a message."""
        start(self, send=False)


def queued(user, **given):
    """Start a confirmation for ``user`` and return its delivery, which is due."""
    start(user, **given)
    return Delivery.objects.latest("pk")

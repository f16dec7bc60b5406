"""Accounts as a host has them, with the confirmation that sign-up would have started."""

from django.contrib.auth import get_user_model
from factory.declarations import LazyAttribute, Sequence
from factory.django import DjangoModelFactory
from factory.helpers import post_generation

from resend_confirmation import start
from resend_confirmation.addresses import Address
from resend_confirmation.models import Delivery


def address_of(text: str) -> Address:
    """The address that ``text`` is."""
    address = Address.parse(text)
    assert address is not None
    return address


class UserFactory(DjangoModelFactory):
    """A user without a request to confirm."""

    class Meta:
        model = get_user_model()

    username = Sequence(lambda n: f"player{n}")
    email = LazyAttribute(lambda user: f"{user.username}@example.com")

    @classmethod
    def _adjust_kwargs(cls, **kwargs):
        """Without a user name where the host's users have none."""
        has_one = any(field.name == "username" for field in get_user_model()._meta.get_fields())
        return kwargs if has_one else {n: value for n, value in kwargs.items() if n != "username"}


class PendingFactory(UserFactory):
    """A user who waits for a confirmation; nothing was sent yet, no cooldown runs."""

    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    @post_generation
    def confirmation(self, create, extracted, **kwargs):
        """Start without sending."""
        start(self, send=False)


def queued(user, **given):
    """A delivery for ``user`` that is due."""
    start(user, **given)
    return Delivery.objects.latest("pk")

"""Tokens of other packages do not confirm here, and our tokens do not work elsewhere."""

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.contrib.auth.tokens import PasswordResetTokenGenerator, default_token_generator
from django.core import signing
from django.test import Client
from django.utils.crypto import salted_hmac
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from resend_confirmation import engine, tokens
from resend_confirmation.models import Confirmation
from resend_confirmation.outcomes import ConfirmationState, Verdict
from tests.test_link import linked

pytestmark = pytest.mark.django_db


@pytest.fixture
def token(pending):
    """The token of the message to pending@example.com."""
    return linked(pending)


@pytest.fixture
def address(pending):
    """allauth's row of the same address, unverified."""
    return EmailAddress.objects.create(user=pending, email=pending.email, primary=True)


def uid_of(user):
    """Return the account's id as Django's reset page and djoser's activation encode it."""
    return urlsafe_base64_encode(force_bytes(user.pk))


class Activation(PasswordResetTokenGenerator):
    """A host's generator with our salt."""

    key_salt = "resend_confirmation.link"


OTHER_TOKENS = {
    "password reset": lambda user, address: default_token_generator.make_token(user),
    "djoser, whole": lambda user, address: (
        f"{uid_of(user)}/{default_token_generator.make_token(user)}"
    ),
    "a generator with our salt": lambda user, address: Activation().make_token(user),
    "signing": lambda user, address: signing.dumps(user.pk),
    "signing with our salt": lambda user, address: signing.dumps(
        user.email, salt="resend_confirmation.link"
    ),
    "a signature with our salt": lambda user, address: signing.Signer(
        salt="resend_confirmation.link"
    ).signature(user.email),
    "a timestamp": lambda user, address: signing.TimestampSigner().sign(user.email),
    "allauth": lambda user, address: EmailConfirmationHMAC(address).key,
    "an address alone under our salt": lambda user, address: urlsafe_base64_encode(
        salted_hmac("resend_confirmation.link", user.email, algorithm="sha256").digest()
    ),
}


@pytest.mark.parametrize("make", OTHER_TOKENS.values(), ids=OTHER_TOKENS)
def test_other_tokens_confirm_nothing(token, address, pending, client, make):
    """A token of another package is foreign to the engine and to the page."""
    other = make(pending, address)
    assert other != token
    assert engine.confirm(other).verdict is Verdict.FOREIGN
    assert client.post("/confirm/", {"token": other}).status_code == 404
    assert client.get("/confirm/", {"token": other}).status_code == 404
    assert Confirmation.objects.get().state == ConfirmationState.PENDING


def shapes(token):
    """Return our token in the formats of other packages."""
    return [
        token,
        f"abc-{token}",
        f"abc-{token[:32]}",
        f"abc:{token}",
        f"a:b:{token}",
        f"{token}:a",
    ]


def test_token_resets_no_password(token, pending):
    """Our token is not valid as a password token of Django, which djoser uses too."""
    for shape in shapes(token):
        assert not default_token_generator.check_token(pending, shape)
        assert not Activation().check_token(pending, shape)


def test_token_opens_no_reset_page(token, pending):
    """Django's password reset page shows its form for Django's token, but not for ours."""
    uid = uid_of(pending)
    reset_token = default_token_generator.make_token(pending)
    assert Client().get(f"/reset/{uid}/{reset_token}/").status_code == 302
    for shape in shapes(token):
        answer = Client().get(f"/reset/{uid}/{shape}/")
        assert (answer.status_code, answer.context["validlink"]) == (200, False)


def test_token_is_not_a_signature(token, pending):
    """Our token is not a valid signature of django.core.signing, even with our salt."""
    for salt in ("django.core.signing", "resend_confirmation.link", "account"):
        for shape in shapes(token):
            with pytest.raises(signing.BadSignature):
                signing.loads(shape, salt=salt)
        for value in (pending.email, str(pending.pk)):
            with pytest.raises(signing.BadSignature):
                signing.Signer(salt=salt).unsign(f"{value}:{token}")


def test_token_verifies_nothing_at_allauth(token, address, client):
    """allauth accepts its own key, but not our token in any format."""
    assert EmailConfirmationHMAC.from_key(EmailConfirmationHMAC(address).key) is not None
    for shape in shapes(token):
        assert EmailConfirmationHMAC.from_key(shape) is None
        client.post(f"/accounts/confirm-email/{shape}/")
    address.refresh_from_db()
    assert address.verified is False


def test_allauth_confirms_nothing_here(token, address, client):
    """Without AllauthStore a confirmation at allauth does not change ours."""
    key = EmailConfirmationHMAC(address).key
    assert client.post(f"/accounts/confirm-email/{key}/").status_code == 302
    address.refresh_from_db()
    assert address.verified is True
    assert Confirmation.objects.get().state == ConfirmationState.PENDING


def test_selector_of_another(token, pending):
    """A well-formed token is foreign if none was sent to the account."""
    confirmation = Confirmation.objects.get()
    forged = tokens.make(confirmation.selector, 0, pending.email)
    assert engine.confirm(forged).verdict is Verdict.FOREIGN

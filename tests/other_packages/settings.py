"""The test site with django-allauth and django-oauth-toolkit, which use tokens and codes too."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE, RESEND_CONFIRMATION

INSTALLED_APPS = [*INSTALLED_APPS, "allauth", "allauth.account", "oauth2_provider"]
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ROOT_URLCONF = "tests.other_packages.urls"
OAUTH2_PROVIDER = {
    "PKCE_REQUIRED": lambda client_id: client_id == "58",
    "SCOPES": {"read": "Read", "write": "Write", "more": "More"},
    "DEFAULT_SCOPES": ["read", "write"],
}
RESEND_CONFIRMATION = {
    **RESEND_CONFIRMATION,
    "AUTHORIZATION_CODE_ISSUER": "resend_confirmation.contrib.oauth_toolkit.issue_code",
}
SILENCED_SYSTEM_CHECKS = ["resend_confirmation.W001", "resend_confirmation.W002"]

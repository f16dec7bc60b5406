"""A site with django-allauth and dj-rest-auth."""

from tests.account_stores.settings import *  # noqa: F403
from tests.account_stores.settings import INSTALLED_APPS, MIDDLEWARE, RESEND_CONFIRMATION

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "rest_framework.authtoken",
    "dj_rest_auth",
    "dj_rest_auth.registration",
]
MIDDLEWARE = [
    *MIDDLEWARE,
    "django.middleware.locale.LocaleMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ROOT_URLCONF = "tests.account_stores.urls_allauth"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_RATE_LIMITS = False
LOGIN_REDIRECT_URL = "/"
RESEND_CONFIRMATION = {
    **RESEND_CONFIRMATION,
    "ACCOUNTS": "resend_confirmation.contrib.allauth.AllauthStore",
}

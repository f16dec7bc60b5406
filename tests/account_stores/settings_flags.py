"""A site on which inactive means unconfirmed, with djoser and with django-registration."""

from tests.account_stores.settings import *  # noqa: F403
from tests.account_stores.settings import INSTALLED_APPS, RESEND_CONFIRMATION

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "rest_framework.authtoken",
    "djoser",
    "django_registration",
]
ROOT_URLCONF = "tests.account_stores.urls_flags"
ACCOUNT_ACTIVATION_DAYS = 7
DJOSER = {"SEND_ACTIVATION_EMAIL": True, "ACTIVATION_URL": "activate/{uid}/{token}"}
#: django-registration brings no templates.
_PAGES = {
    "django_registration/registration_form.html": "{{ form.errors }}",
    "django_registration/registration_complete.html": "<h1>Complete</h1>",
    "django_registration/activation_form.html": "{{ form.errors }}",
    "django_registration/activation_complete.html": "<h1>Activated</h1>",
    "django_registration/activation_email_subject.txt": "Activate",
    "django_registration/activation_email_body.txt": "key={{ activation_key }}",
    "registration/login.html": "{{ form.errors }}",
}
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "loaders": [
                ("django.template.loaders.locmem.Loader", _PAGES),
                "django.template.loaders.app_directories.Loader",
            ],
        },
    }
]
LOGIN_REDIRECT_URL = "/"
RESEND_CONFIRMATION = {
    **RESEND_CONFIRMATION,
    "ACCOUNTS": "resend_confirmation.accounts.FlagStore",
}

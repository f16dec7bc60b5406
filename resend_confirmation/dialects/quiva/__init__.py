"""quiva.ai: POST accounts/resend-confirmation and POST accounts/confirm-email.

https://microstrate-1133-notifications-prefs.mintlify.site/llms.txt
"""

from ..base import routes
from .confirm import QuivaConfirm
from .resend import QuivaResend

__all__ = ["QuivaConfirm", "QuivaResend", "urlpatterns"]

app_name = "resend_confirmation_quiva"

urlpatterns = [
    *routes("accounts/resend-confirmation", QuivaResend, "quiva"),
    # The path with a trailing slash is left to django-allauth, which has its page for codes there.
    *routes("accounts/confirm-email", QuivaConfirm, "quiva-confirm", slashed=False),
]

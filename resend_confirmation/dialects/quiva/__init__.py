"""quiva.ai: POST accounts/resend-confirmation, and its neighbour POST accounts/confirm-email.

https://microstrate-1133-notifications-prefs.mintlify.site/llms.txt
"""

from ..base import routes
from .confirm import QuivaConfirm
from .resend import QuivaResend

__all__ = ["QuivaConfirm", "QuivaResend", "urlpatterns"]

app_name = "resend_confirmation_quiva"

urlpatterns = [
    *routes("accounts/resend-confirmation", QuivaResend, "quiva"),
    # With a slash it is the page of django-allauth where codes are typed.
    *routes("accounts/confirm-email", QuivaConfirm, "quiva-confirm", slashed=False),
]

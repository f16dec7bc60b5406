"""quiva.ai: POST accounts/resend-confirmation, and its neighbour POST accounts/confirm-email.

https://microstrate-1133-notifications-prefs.mintlify.site/llms.txt
"""

from ..base import routes
from .confirm import QuivaConfirm
from .resend import QuivaResend

__all__ = ["QuivaConfirm", "QuivaResend", "urlpatterns"]

urlpatterns = [
    *routes("accounts/resend-confirmation", QuivaResend, "quiva"),
    *routes("accounts/confirm-email", QuivaConfirm, "quiva-confirm"),
]

"""Xsolla Login: all paths once more, for a second prefix; in no document, and without names.

Android's SDKs asked without the prefix ``api/`` until 2022, and all others with it.
"""

from ..base import routes
from .resend import XsollaJWTResend, XsollaOAuth2Resend

urlpatterns = [
    pattern
    # Mounted at the root, the calls are answered below the vendor's own prefix as well.
    for prefix in ("", "api/")
    for path, view in (
        ("oauth2/user/resend_confirmation_link", XsollaOAuth2Resend),
        ("user/resend_confirmation_link", XsollaJWTResend),
        ("proxy/registration/resend_confirmation_link", XsollaJWTResend),
    )
    for pattern in routes(f"{prefix}{path}", view)
]

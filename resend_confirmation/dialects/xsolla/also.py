"""Xsolla Login: all paths for a second prefix, without names and not in the OpenAPI document.

The Android SDKs used no prefix until 2022; all other SDKs use ``api/``.
"""

from ..base import routes
from .jwt_resend import XsollaJWTResend
from .resend import XsollaOAuth2Resend

urlpatterns = [
    pattern
    # The vendor's prefix is included for sites that mount the module at the root.
    for prefix in ("", "api/")
    for path, view in (
        ("oauth2/user/resend_confirmation_link", XsollaOAuth2Resend),
        ("user/resend_confirmation_link", XsollaJWTResend),
        ("proxy/registration/resend_confirmation_link", XsollaJWTResend),
    )
    for pattern in routes(f"{prefix}{path}", view)
]

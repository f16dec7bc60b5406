"""Xsolla Login: POST oauth2/user/resend_confirmation_link and user/resend_confirmation_link.

https://developers.xsolla.com/api/login/operation/oauth-20-resend-account-confirmation-email/
https://developers.xsolla.com/api/login/operation/jwt-resend-account-confirmation-email/
"""

from ..base import routes
from . import also
from .export import EXPORT
from .jwt_resend import XsollaJWTResend
from .resend import DEAD_LINKS, XsollaOAuth2Resend, XsollaResend

__all__ = [
    "DEAD_LINKS",
    "EXPORT",
    "XsollaJWTResend",
    "XsollaOAuth2Resend",
    "XsollaResend",
    "urlpatterns",
]

app_name = "resend_confirmation_xsolla"

urlpatterns = [
    *routes("oauth2/user/resend_confirmation_link", XsollaOAuth2Resend, "xsolla-oauth2"),
    *routes("user/resend_confirmation_link", XsollaJWTResend, "xsolla-jwt"),
    *also.urlpatterns,
]

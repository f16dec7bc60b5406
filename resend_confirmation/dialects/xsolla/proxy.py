"""Xsolla Login: POST proxy/registration/resend_confirmation_link, a second path of the JWT call.

The Unreal SDKs of 2021 and 2022 use it if user data is not stored by the vendor.
"""

from ..base import routes
from .jwt_resend import XsollaJWTResend

urlpatterns = routes("proxy/registration/resend_confirmation_link", XsollaJWTResend)

"""Xsolla Login: POST proxy/registration/resend_confirmation_link, which is the JWT call.

Unreal's SDKs of 2021 and 2022 ask it where user data is not stored at the vendor's.
"""

from ..base import routes
from .resend import XsollaJWTResend

urlpatterns = routes("proxy/registration/resend_confirmation_link", XsollaJWTResend)

"""Strapi 3, 4 and 5: POST auth/send-email-confirmation and GET auth/email-confirmation.

https://docs-v3.strapi.io/developer-docs/latest/development/plugins/users-permissions.html
https://docs.strapi.io/cms/features/users-permissions
"""

from ..base import routes
from .confirm import StrapiConfirm, StrapiV4Confirm
from .export import EXPORT
from .resend import StrapiResend, StrapiV4Resend

__all__ = [
    "EXPORT",
    "StrapiConfirm",
    "StrapiResend",
    "StrapiV4Confirm",
    "StrapiV4Resend",
    "urlpatterns",
]

app_name = "resend_confirmation_strapi"

urlpatterns = [
    *routes("auth/send-email-confirmation", StrapiResend, "strapi"),
    *routes("api/auth/send-email-confirmation", StrapiV4Resend, "strapi-v4"),
    *routes("auth/email-confirmation", StrapiConfirm, "strapi-confirm"),
    *routes("api/auth/email-confirmation", StrapiV4Confirm, "strapi-v4-confirm"),
]

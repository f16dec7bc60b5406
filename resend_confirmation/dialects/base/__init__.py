"""Base classes for dialects: what a subclass declares, and how a request is processed."""

from ...courier.page_urls import with_parameters
from .declarations import (
    QUIET,
    AddressField,
    Answer,
    ErrorDetails,
    Fault,
    IdentityField,
    LanguageField,
    Operation,
    StrictCharField,
    Table,
    TokenField,
)
from .exports import Column, Export
from .landing import is_web, landing_of, mounted_dialects
from .routing import routes, unlisted
from .token_views import ConfirmView, LinkView
from .views import ResendView, VendorView

__all__ = [
    "QUIET",
    "AddressField",
    "Answer",
    "Column",
    "ConfirmView",
    "ErrorDetails",
    "Export",
    "Fault",
    "IdentityField",
    "LanguageField",
    "LinkView",
    "Operation",
    "ResendView",
    "StrictCharField",
    "Table",
    "TokenField",
    "VendorView",
    "is_web",
    "landing_of",
    "mounted_dialects",
    "routes",
    "unlisted",
    "with_parameters",
]

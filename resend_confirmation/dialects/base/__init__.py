"""What every dialect stands on: the form to fill in, and the order in which it is worked off."""

from .answers import QUIET, Answer, Detail, Kind, Table
from .fields import AddressField, IdentityField, LanguageField, StrictCharField
from .landing import landing_of, with_parameters
from .operation import Operation
from .routing import routes
from .view import DialectView

__all__ = [
    "QUIET",
    "AddressField",
    "Answer",
    "Detail",
    "DialectView",
    "IdentityField",
    "Kind",
    "LanguageField",
    "Operation",
    "StrictCharField",
    "Table",
    "landing_of",
    "routes",
    "with_parameters",
]

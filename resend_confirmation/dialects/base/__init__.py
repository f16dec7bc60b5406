"""What every dialect stands on: the form to fill in, and the order in which it is worked off."""

from ...courier.links import with_parameters
from .answers import QUIET, Answer, Detail, Kind, Table
from .call import Call
from .confirming import ConfirmCall
from .fields import AddressField, IdentityField, LanguageField, StrictCharField, TokenField
from .landing import is_web, landing_of
from .operation import Operation
from .routing import routes
from .view import DialectView

__all__ = [
    "QUIET",
    "AddressField",
    "Answer",
    "Call",
    "ConfirmCall",
    "Detail",
    "DialectView",
    "IdentityField",
    "Kind",
    "LanguageField",
    "Operation",
    "StrictCharField",
    "Table",
    "TokenField",
    "is_web",
    "landing_of",
    "routes",
    "with_parameters",
]

"""A vendor's own call that takes the token of a link, for front ends that finish by themselves."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework.response import Response

from ... import engine
from ...outcomes import Ending, Verdict
from .call import Call


class ConfirmCall(Call):
    """Spend the token that was read under the word ``token``; ``answers`` has verdicts.

    Every Verdict needs a row, and of the refusals those that such a call can meet: INVALID,
    MALFORMED, TOO_LARGE, THROTTLED, WRONG_METHOD and FAILED. ``result`` is an
    ``engine.Opened``. Nobody is logged in by it.

    The token must be of a message of the client that ``find_client`` says, and of the account
    that was read under the word ``identity``, where the call has that. Every other token is
    FOREIGN.
    """

    succeeded: ClassVar[Ending | Verdict] = Verdict.CONFIRMED

    def ask(self, request: HttpRequest, values: Mapping[str, Any]) -> Response:
        """Confirm; of several calls with one token the first is CONFIRMED, the others ALREADY."""
        opened = engine.confirm(values["token"], self.named(request, values))
        return self.reply(opened.verdict, result=opened)

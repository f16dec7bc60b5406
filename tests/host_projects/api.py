"""DRF classes of a host's API, which must not affect the dialects."""

from collections.abc import Mapping
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, UnsupportedMediaType
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle


def handle(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Return a 418 for every error."""
    return Response({"detail": "the host's"}, status=418)


class Nobody(BaseAuthentication):
    """Rejects all credentials."""

    def authenticate(self, request: Request) -> None:
        raise AuthenticationFailed


class Never(BasePermission):
    """Denies everything."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class Once(BaseThrottle):
    """Reports every request as throttled."""

    def allow_request(self, request: Request, view: Any) -> bool:
        return False

    def wait(self) -> float:
        return 3600


class Loud(BaseRenderer):
    """Renders in capitals."""

    media_type = "text/loud"
    format = "loud"

    def render(self, data: Any, media_type: Any = None, renderer_context: Any = None) -> bytes:
        return str(data).upper().encode()


class Illiterate(BaseParser):
    """Refuses every media type."""

    media_type = "application/nothing"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        raise UnsupportedMediaType(media_type)


class Nothing(BaseContentNegotiation):
    """Selects no parser, and always the same renderer."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return Loud(), Loud.media_type

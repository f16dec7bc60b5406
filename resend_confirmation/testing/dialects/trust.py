"""Tests that untrusted headers and the host's own API settings do not affect a vendor's API."""

from dataclasses import replace
from typing import Any, NoReturn

import pytest
from rest_framework.exceptions import NotAuthenticated, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer, StaticHTMLRenderer
from rest_framework.response import Response
from rest_framework.versioning import AcceptHeaderVersioning
from rest_framework.views import APIView

from ...outcomes import ENDINGS, Ending, Outcome, Refusal
from .case import ADDRESS, Case
from .contract import Contract, where
from .site import Site


class Hostile(BaseParser, BasePermission):  # pragma: no cover - no dialect may call it
    """A stand-in for all DRF classes that a host may set for its own API. It refuses everything."""

    media_type = "application/hostile"

    def authenticate(self, request: Any) -> NoReturn:
        raise NotAuthenticated

    def authenticate_header(self, request: Any) -> str:
        return "Hostile"

    def has_permission(self, request: Any, view: Any) -> bool:
        return False

    def allow_request(self, request: Any, view: Any) -> bool:
        return False

    def wait(self) -> int:
        return 3600

    def determine_metadata(self, request: Any, view: Any) -> dict[str, str]:
        return {"host": "metadata"}

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> NoReturn:
        raise UnsupportedMediaType(media_type)


def hostile_handler(exc: Exception, context: Any) -> Response:  # pragma: no cover - the same
    """Return an error response in the host's format instead of the vendor's."""
    return Response({"detail": "the host's"}, status=418)


class Trust(Contract):
    """Tests that types, charsets, headers and the host's own API settings are ignored."""

    @where(lambda case: case.field)
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "application/json;charset=utf-8",
            "application/json; charset=latin-1",
            "text/plain",
            "text/plain;charset=UTF-8",
            "application/x-www-form-urlencoded",
            "application/xml",
            "multipart/form-data",
            "*/*",
            "nonsense",
            "",
        ],
    )
    def test_content_type(self, case: Case, content_type: str, site: Site) -> None:
        """A JSON body is read as JSON under any Content-Type."""
        site.pending()
        request = replace(case.request_for(ADDRESS), content_type=content_type)
        assert site.reply(request) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

    @pytest.mark.parametrize("charset", ["utf-16", "utf-32", "utf-7", "cp037", "xyz"])
    def test_charset(self, case: Case, charset: str, site: Site) -> None:
        """The charset in Content-Type is ignored, for the body and for the query."""
        site.pending()
        request = replace(
            case.request_for(ADDRESS), content_type=f"application/json; charset={charset}"
        )
        assert site.reply(request) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": "Bearer stale"},
            {"Authorization": "Basic !!!"},
            {"user-token": "stale"},
            {"X-Api-Key": "stale"},
            {"Cookie": "sessionid=stale-session"},
            {"Accept": "text/html"},
            {"Accept": "application/xml; version=7"},
            {"Accept-Language": "de"},
            {"Origin": "https://evil.example"},
            {"X-HTTP-Method-Override": "GET"},
            {"Expect": "100-continue"},
        ],
        ids=str,
    )
    def test_header_means_nothing(self, case: Case, headers: dict[str, str], site: Site) -> None:
        """Credentials are neither required nor checked, and nothing is negotiated."""
        site.pending()
        request = case.request_for(ADDRESS)
        request = replace(request, headers={**headers, **request.headers})
        assert site.reply(request) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

    @pytest.mark.parametrize("ending", [Refusal.INVALID, Refusal.WRONG_METHOD], ids=str)
    def test_refusals_are_not_negotiated(self, case: Case, ending: Ending, site: Site) -> None:
        """A refusal is the vendor's JSON in the vendor's language; Accept headers are ignored."""
        request = site.arrange(case, ending)
        headers = {"Accept": "text/html", "Accept-Language": "de", **request.headers}
        assert site.reply(replace(request, headers=headers)) == case.endings[ending]

    @pytest.fixture
    def hostile_host(self, site: Site) -> None:
        """Configure a host with other formats, another language and no access to its own API.

        DRF copies its defaults to ``APIView`` on import, so they are set there.
        """
        patch = site.monkeypatch.setattr
        patch(APIView, "authentication_classes", [Hostile])
        patch(APIView, "permission_classes", [Hostile])
        patch(APIView, "throttle_classes", [Hostile])
        patch(APIView, "parser_classes", [Hostile])
        patch(APIView, "renderer_classes", [StaticHTMLRenderer])
        patch(APIView, "versioning_class", AcceptHeaderVersioning)
        patch(APIView, "metadata_class", Hostile)
        patch(JSONRenderer, "compact", False)
        patch(JSONRenderer, "ensure_ascii", False)
        site.settings.REST_FRAMEWORK = {
            **getattr(site.settings, "REST_FRAMEWORK", {}),
            "EXCEPTION_HANDLER": f"{__name__}.hostile_handler",
            "ALLOWED_VERSIONS": ["1"],
            "URL_FORMAT_OVERRIDE": "format",
        }
        site.settings.LANGUAGE_CODE = "de"
        site.settings.APPEND_SLASH = True
        site.settings.MIDDLEWARE = [
            *site.settings.MIDDLEWARE,
            "django.middleware.locale.LocaleMiddleware",
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]

    @pytest.mark.parametrize("ending", ENDINGS, ids=str)
    @pytest.mark.usefixtures("hostile_host")
    def test_host_does_not_apply(self, case: Case, ending: Ending, site: Site) -> None:
        """The host's settings for its own API do not apply to a vendor's API, for any ending."""
        request = site.arrange(case, ending)
        request = replace(request, headers={**request.headers, "Accept-Language": "de"})
        response = site.send(request)
        expected = case.endings[ending]
        assert (response.status_code, response.content) == (expected.status, expected.body)
        assert response.headers.get("Content-Type") == expected.headers.get("Content-Type")

    @pytest.mark.usefixtures("hostile_host")
    def test_messages_are_not_translated(self, case: Case, site: Site) -> None:
        """The framework's messages stay English if a vendor's response contains them."""
        site.pending()
        request = case.request_for("")
        asked_in_german = replace(request, headers={**request.headers, "Accept-Language": "de"})
        assert site.reply(asked_in_german).body == case.faults["empty"].body
